"""Behaviour of the self-test's table."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from made_up_selftest import NOTHING, RESULT
from significand.doctor.selftest import SelfTest
from significand.present.terminal.selftest_view import facts, selftest_view, verdict


def shown(result: SelfTest, *, colour: bool = False) -> str:
    """Print into a text, as into a pipe or onto a terminal."""
    console = Console(width=80, file=io.StringIO(), highlight=False, force_terminal=colour)
    console.print(selftest_view(result))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_known_difference_has_a_line_with_its_intervals() -> None:
    """A line says what was compared, how often it was called different, and what ratio was measured."""
    lines = [" ".join(line.split()) for line in shown(RESULT).splitlines()]
    assert "the same again 1 of 20 5.0 % [0.1, 24.9] 1.0004 [0.9991–1.0017]" in lines
    assert "made 2 % slower 15 of 20 75.0 % [50.9, 91.3] 1.0203 [1.0186–1.0221]" in lines
    assert "made 5 % slower 20 of 20 100.0 % [83.2, 100.0] 1.054 [1.044–1.064]" in lines
    assert "…" not in shown(RESULT)


def test_below_stands_what_the_machine_can_show() -> None:
    """Spread, smallest differences by repeats, and noise follow in sentences, with units."""
    assert facts(RESULT) == [
        "[95 %]: exact binomial interval of the rate, t interval of the ratio over all repeats",
        "20 experiments of 10 repeats on 2 threads in 119 s",
        "two equal runs of one repeat differ by 2.8 % (standard deviation)",
        (
            "smallest difference that a single comparison shows with 80 % power: 4.9 % with 5, 2.9 % with 10, "
            "1.5 % with 30 repeats"
        ),
        "noise: 12 of 16800 steps stayed disturbed by others, 340 were measured again",
    ]


def test_what_is_not_known_is_a_dash_or_left_out() -> None:
    """Without a whole experiment there are dashes, never zeros, and no sentence about spread."""
    assert facts(NOTHING)[1:] == ["0 experiments of 10 repeats in 119 s, interrupted", "2 runs failed"]
    assert "the same again 0 of 0 – –" in " ".join(shown(NOTHING).split())
    assert "nan" not in shown(NOTHING)


@pytest.mark.parametrize("result", [RESULT, NOTHING])
def test_the_verdict_comes_last(result: SelfTest) -> None:
    """Verdict, reason and remedy end the text; only a terminal gets colours."""
    text = " ".join(shown(result).split())
    assert text.endswith(" ".join(verdict(result)))
    assert "\x1b" not in text
    assert "\x1b[" in shown(result, colour=True)


def test_hostile_reasons_cannot_move_the_cursor() -> None:
    """Control characters in a run's error become visible."""
    assert "\x1b" not in shown(replace(RESULT, reason="no experiment could be judged: \x1b[2J"))
