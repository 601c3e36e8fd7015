"""Behaviour of what turns a user's exceptions into lines."""

from pathlib import Path

import pytest

from significand.workload.examined import ALL_FRAMES, ProgramError
from significand.workload.guarded import calling

pytestmark = pytest.mark.slow


def raised_in(folder: Path) -> ProgramError:
    """Return what comes of a user's function that fails in a library."""
    file = folder / "mine.py"
    file.write_text("import json\ndef data():\n    return json.loads('{')\n", "utf-8")
    names: dict[str, object] = {}
    exec(compile(file.read_text("utf-8"), str(file), "exec"), names)  # noqa: S102 - as importing it does
    with pytest.raises(ProgramError) as caught, calling("data()", folder):
        names["data"]()  # type: ignore[operator]  # a function
    return caught.value


def test_a_trace_is_of_the_users_own_lines(tmp_path: Path) -> None:
    """The line names the user's file and line, and the trace leaves out the library that raised."""
    error = raised_in(tmp_path)
    assert error.problems[0].startswith("data() raised JSONDecodeError: ")
    assert error.problems[0].endswith("(mine.py:3)")
    assert "mine.py" in error.trace
    assert "decoder.py" not in error.trace


def test_all_lines_are_shown_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that --traceback sets, the library's lines are there too."""
    monkeypatch.setenv(ALL_FRAMES, "1")
    error = raised_in(tmp_path)
    assert "decoder.py" in error.trace
    (line,) = error.problems
    assert line.startswith("data() raised JSONDecodeError: ")
