from pathlib import Path

import pytest

from made_up_pages import made_up_experiment
from significand.present.page.setups import setups_of
from significand.present.page.theme import COLOURS, on_dark, variables
from significand.present.styles import MODE_STYLES, mode_styles


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("ground", ["paper", "raised"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "good", "bad"])
def test_text_is_readable_in_both_themes(text: str, ground: str, theme: int) -> None:
    """Text has a contrast of at least 4.5 (WCAG 2.2, 1.4.3)."""
    assert contrast(COLOURS[text][theme], COLOURS[ground][theme]) >= 4.5


@pytest.mark.parametrize("mode", [*MODE_STYLES, *map(str, range(5))])
def test_markers_are_seen_on_a_dark_ground(mode: str) -> None:
    """A mode's colour keeps its hue and has a contrast of at least 3 (WCAG 2.2, 1.4.11)."""
    colour = mode_styles(map(str, range(5)))[mode].colour
    assert contrast(on_dark(colour), COLOURS["paper"][1]) >= 3.0


def test_light_colours_are_those_of_the_plots(tmp_path: Path) -> None:
    """In the light a mode has the colour that it has in the PNGs."""
    declared = variables(setups_of(made_up_experiment(tmp_path / "a")))
    for index, mode in enumerate(("float32", "float16", "int8")):
        assert f"--mode-{index}:light-dark({MODE_STYLES[mode].colour.lower()},#" in declared
