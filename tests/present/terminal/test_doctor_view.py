import io

import pytest
from rich.console import Console

from significand.doctor.check import Check
from significand.present.terminal.doctor_view import doctor_view, verdict

FINE = Check("cpu", "ok", "Made-up 9000; 2 physical cores")
WARNED = Check("turbo", "warn", "on", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo")
BAD = Check("load", "bad", "others use 0.97 of a core", "stop them")


def shown(checks: list[Check], width: int = 80, *, colour: bool = False) -> str:
    """Print into a text, as into a pipe or onto a terminal."""
    console = Console(width=width, file=io.StringIO(), highlight=False, force_terminal=colour)
    console.print(doctor_view(checks))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([FINE], "no warnings, nothing bad: this machine can measure"),
        ([FINE, WARNED], "1 warning, nothing bad: this machine can measure"),
        ([WARNED, WARNED], "2 warnings, nothing bad: this machine can measure"),
        ([BAD, WARNED], "1 bad, 1 warning: mend what is bad before measuring"),
        ([BAD, BAD], "2 bad, no warnings: mend what is bad before measuring"),
    ],
)
def test_the_verdict_counts(checks: list[Check], said: str) -> None:
    """The last line counts what is bad and warned of, and says whether the machine can measure."""
    assert verdict(checks) == said
    assert shown(checks).splitlines()[-1] == said


def test_a_line_holds_level_name_finding_and_remedy() -> None:
    """Every check is a line with its level in words; the remedy follows on the next, where there is one."""
    lines = shown([FINE, BAD]).splitlines()
    (fine,) = [number for number, line in enumerate(lines) if line.startswith("ok ")]
    assert lines[fine].split() == ["ok", "cpu", *FINE.found.split()]
    assert lines[fine + 1].split() == ["bad", "load", *BAD.found.split()]
    assert lines[fine + 2].split() == ["→", *BAD.remedy.split()]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_texts_wrap_and_lose_nothing(width: int) -> None:
    """A text without a space as well as a sentence is broken to the width, and nothing is cut off."""
    long_name = Check("mode_onnxruntime_int8_dynamic", "warn", "q" * 200, "word " * 40)
    text = shown([long_name, WARNED], width)
    assert max(map(len, text.splitlines())) <= width
    assert (text.count("q"), text.count("word")) == (200, 40)
    assert "…" not in text
    assert "no_turbo" in text.replace("\n", "").replace(" ", "")


def test_only_a_terminal_gets_colours() -> None:
    """In a pipe there is no escape sequence; on a terminal the levels differ in colour."""
    assert "\x1b" not in shown([FINE, WARNED, BAD])
    assert "\x1b[" in shown([FINE, WARNED, BAD], colour=True)


def test_hostile_names_cannot_move_the_cursor() -> None:
    """Control characters in a program's name or an engine's error become visible."""
    text = shown([Check("load", "bad", "7 \x1b[2J\nevil 0.97", "ps\x07 -p 7"), Check("x\x1b", "ok", "[bold]no[/bold]")])
    assert "\x1b" not in text
    assert "7 \ufffd[2J\ufffdevil 0.97" in text
    assert "\x07" not in text
    assert "[bold]no[/bold]" in text
