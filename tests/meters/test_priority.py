import contextlib
import os
import threading
from pathlib import Path

import pytest

from significand.meters.priority import raised_priority


def niceness_of_all_threads() -> set[int]:
    """Look at every thread of this process."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # the thread has just ended
            found.add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return found


def test_zero_leaves_everything_alone() -> None:
    """Nobody's priority is touched where none is asked for."""
    before = niceness_of_all_threads()
    with raised_priority(0) as nice:
        assert niceness_of_all_threads() == before
    assert nice == os.getpriority(os.PRIO_PROCESS, 0)


def test_all_threads_get_it_and_give_it_back() -> None:
    """Where the system permits it every thread is raised inside the block; afterwards all are as before."""
    before = niceness_of_all_threads()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with raised_priority(-5) as nice:
            inside = niceness_of_all_threads()
    finally:
        stop.set()
        thread.join()
    assert inside == ({-5} if nice == -5 else before)
    assert niceness_of_all_threads() == before


def test_it_is_given_back_after_an_error() -> None:
    """An exception inside the block leaves no raised priority behind."""
    before = niceness_of_all_threads()
    with pytest.raises(KeyError), raised_priority(-5):
        raise KeyError
    assert niceness_of_all_threads() == before


def test_without_permission_the_priority_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user measures on with the priority there is, and is told which."""

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    with raised_priority(-20) as nice:
        assert nice == os.getpriority(os.PRIO_PROCESS, 0)


def test_without_a_proc_file_system_the_priority_stays(tmp_path: Path) -> None:
    """Where threads cannot be listed nothing is raised."""
    with raised_priority(-20, tmp_path) as nice:
        assert nice == os.getpriority(os.PRIO_PROCESS, 0)


def test_the_sessions_group_is_raised_too(tmp_path: Path) -> None:
    """Linux weighs sessions first where it groups them, so the group's niceness follows, and goes back."""
    (tmp_path / "task").mkdir()
    group = tmp_path / "autogroup"
    group.write_text("/autogroup-572 nice 3\n", encoding="ascii")  # as in sched(7)
    with raised_priority(-7, tmp_path):
        assert group.read_text(encoding="ascii") == "-7"
    assert group.read_text(encoding="ascii") == "3"


@pytest.mark.parametrize("content", [None, "", "/autogroup-572 nice\n"])
def test_a_group_whose_niceness_is_not_told_gets_the_default(content: str | None, tmp_path: Path) -> None:
    """Where the kernel does not say what the group had, it is left at 0, as every session begins."""
    (tmp_path / "task").mkdir()
    group = tmp_path / "autogroup"
    if content is not None:
        group.write_text(content, encoding="ascii")
    with raised_priority(-7, tmp_path):
        pass
    assert group.read_text(encoding="ascii") == "0"
