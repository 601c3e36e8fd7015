"""Behaviour of what the checks look with."""

import os
from pathlib import Path

from significand.doctor.check import Instruments, process_name


def test_a_process_that_has_ended_has_a_name_too() -> None:
    """A process is called by its program, and one that ended since by that."""
    assert process_name(os.getpid())
    assert process_name(2**22 + 1) == "ended"  # above the largest pid of Linux, proc(5)


def test_a_file_is_read_as_words_below_the_root(tmp_path: Path) -> None:
    """A file's words come in order; where there is no such file there are none."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("0.10 0.20\n", encoding="ascii")
    instruments = Instruments(root=tmp_path)
    assert instruments.words("proc/loadavg") == ["0.10", "0.20"]
    assert instruments.words("proc/nothing") == []
