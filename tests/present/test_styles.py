import math
import re

import pytest

from significand.plan.precision import MODES
from significand.present.styles import MODE_STYLES, OUTLINES, frontier_steps, mode_styles, setup_labels, shortened


def test_every_mode_of_the_program_has_a_style_of_its_own() -> None:
    """Colours and markers both differ, so that either alone tells the modes apart."""
    assert list(MODE_STYLES) == list(MODES)
    assert len({style.colour for style in MODE_STYLES.values()}) == len(MODE_STYLES)
    assert len({style.marker for style in MODE_STYLES.values()}) == len(MODE_STYLES)


def test_further_names_are_numbered_in_their_order() -> None:
    """35 unknown names get 35 different pairs of colour and marker, and the known ones keep theirs."""
    names = [f"mode{k}" for k in range(35)]
    styles = mode_styles([*names, "int8"])
    assert len({styles[name] for name in names}) == 35
    assert styles["int8"] == MODE_STYLES["int8"]


@pytest.mark.parametrize("marker", OUTLINES)
def test_every_marker_has_an_outline_in_the_unit_square(marker: str) -> None:
    """What the page draws fills a square from -1 to 1, as Vega wants it."""
    numbers = [abs(float(text)) for text in re.findall(r"-?\d+(?:\.\d+)?", OUTLINES[marker])]
    assert 0.85 < max(numbers) <= 1.0
    assert {style.marker for style in mode_styles(map(str, range(40))).values()} <= set(OUTLINES)


def test_labels_name_the_engine_only_where_there_are_several() -> None:
    """The mode alone where that is enough; the engine, and the format that ran, where they tell something."""
    rows = [{"precision_mode": "float16", "engine": "a", "effective_precision": "float32"}]
    assert setup_labels(rows, ["float16"]) == ["float16 (ran as float32)"]
    both = [*rows, {"precision_mode": "int8", "engine": "b", "effective_precision": "int8"}]
    assert setup_labels(both, ["float16", "int8"]) == ["float16, a (ran as float32)", "int8, b"]


def test_long_names_keep_their_ends() -> None:
    """Names tend to differ at their ends, so the middle is left out."""
    assert shortened("a" * 40 + "end") == "a" * 17 + "…" + "aaaaaend"
    assert shortened("a\nb") == "a\ufffdb"


def test_the_frontier_rises_in_steps() -> None:
    """From the floor up to the cheapest member, along to the next, and on to the right end; nothing of no members."""
    steps = frontier_steps([(1.0, 70.0), (2.0, 80.0)], 60.0, 5.0)
    assert steps == ((1.0, 60.0), (1.0, 70.0), (2.0, 70.0), (2.0, 80.0), (5.0, 80.0))
    assert frontier_steps([], 60.0, math.inf) == ()
