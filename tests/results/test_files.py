import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from significand.results.files import (
    ForeignFileError,
    TooLargeError,
    check_folder,
    counted,
    lines_of,
    open_own,
    open_to_read,
)

WRITING = os.O_RDWR | os.O_CREAT


def link_to_a_file(path: Path) -> None:
    """Put a link to somebody's file in the place of a file."""
    (path.parent / "mine").write_text("mine", encoding="utf-8")
    path.symlink_to(path.parent / "mine")


def hard_link(path: Path) -> None:
    """Give somebody's file a second name."""
    (path.parent / "mine").write_text("mine", encoding="utf-8")
    path.hardlink_to(path.parent / "mine")


def link_to_nothing(path: Path) -> None:
    """Put a link there that leads to a file yet to be made."""
    path.symlink_to(path.parent / "made through the link")


def unix_socket(path: Path) -> None:
    """Put a socket there."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


FOREIGN: dict[str, Callable[[Path], None]] = {
    "is a link where": link_to_a_file,
    "is a link": link_to_nothing,
    "has another name elsewhere": hard_link,
    "is a folder": Path.mkdir,
    "is a pipe": os.mkfifo,
    "is a socket": unix_socket,
}
"""By what is said of it, what may stand in the place of a file of ours."""


@pytest.mark.parametrize(("said", "put"), FOREIGN.items(), ids=FOREIGN)
def test_what_is_no_file_of_ours_is_not_opened_for_writing(
    said: str, put: Callable[[Path], None], tmp_path: Path
) -> None:
    """It is named with the remedy, nothing is written through it, and nobody waits for a pipe's reader."""
    put(tmp_path / "lock")
    before = {path.name: path.lstat().st_size for path in tmp_path.iterdir()}
    with pytest.raises(ForeignFileError, match=f"lock {said}") as caught:
        open_own(tmp_path / "lock", WRITING | os.O_TRUNC)
    assert "remove it" in caught.value.remedy
    assert {path.name: path.lstat().st_size for path in tmp_path.iterdir()} == before


def test_a_file_of_ours_is_opened_or_made(tmp_path: Path) -> None:
    """A plain file keeps its content; where there is none, one is made if that is asked for."""
    (tmp_path / "old").write_text("old", encoding="utf-8")
    for name in ("old", "new"):
        os.close(open_own(tmp_path / name, WRITING))
    assert (tmp_path / "old").read_text(encoding="utf-8") == "old"
    assert (tmp_path / "new").exists()
    with pytest.raises(FileNotFoundError):
        open_own(tmp_path / "never", os.O_WRONLY)


def test_a_folder_of_ours_is_no_link(tmp_path: Path) -> None:
    """A link, also to a folder, and a file are refused; a folder and nothing at all are not."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    check_folder(tmp_path / "real")
    check_folder(tmp_path / "nothing")
    for name, what in (("link", "a link"), ("broken", "a link"), ("file", "a file")):
        with pytest.raises(ForeignFileError, match=f"{name} is {what} where a folder should be"):
            check_folder(tmp_path / name)


def test_reading_follows_links_but_waits_for_nobody(tmp_path: Path) -> None:
    """A link to a file is read, as a store of data may have put it there; a pipe, a folder and a device are not."""
    link_to_a_file(tmp_path / "link")
    with open_to_read(tmp_path / "link", 4, "") as file:
        assert file.read() == b"mine"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, what in (("pipe", "a pipe"), ("zero", "a device"), (".", "a folder")):
        with pytest.raises(ForeignFileError, match=f"it is {what}, not a file"):
            open_to_read(tmp_path / name, 10**9, "")


def test_what_is_too_large_is_refused_with_size_limit_and_remedy(tmp_path: Path) -> None:
    """A file of terabytes that takes no room on the disk is refused before a byte of it is read."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(5 * 10**12)
    with pytest.raises(TooLargeError, match=r"huge' has 5000\.0 GB, at most 3\.0 MB are read here; remove it"):
        open_to_read(tmp_path / "huge", 3_000_000, "remove it")


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines come with their ends; one that goes on and on is no line of a table."""
    assert list(lines_of(tmp_path, io.BytesIO(b"a\nb"))) == [b"a\n", b"b"]
    monkeypatch.setattr("significand.results.files.LONGEST_LINE", 4)
    assert list(lines_of(tmp_path, io.StringIO("ab\nabc"))) == ["ab\n", "abc"]
    with pytest.raises(TooLargeError, match="has a line of more than 4 bytes"):
        list(lines_of(tmp_path, io.StringIO("ab\nabcd")))


def test_no_more_runs_are_read_than_fit_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of four bytes can stand for a run of a thousand."""
    memory: Any = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=3_000))
    assert list(counted(tmp_path, "abc")) == ["a", "b", "c"]
    with pytest.raises(TooLargeError, match=r"has more than 3 lines.*on a machine with more memory"):
        list(counted(tmp_path, "abcd"))
