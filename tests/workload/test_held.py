"""Behaviour of the files of a network: known again by size, time and content."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from significand.workload.held import Held


def same_size(path: Path) -> None:
    """Write something else of the same length, at another time."""
    path.write_text("B")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda path: None, ""),  # noqa: ARG005 - nothing
        (lambda path: os.utime(path, ns=(1, 1)), ""),
        (lambda path: path.write_text("A"), ""),
        (same_size, "has changed since the experiment began"),
        (lambda path: path.write_text("AB"), "has changed since the experiment began"),
        (lambda path: path.unlink(), "cannot be read any more (No such file or directory)"),
    ],
)
def test_a_file_is_another_by_its_content_alone(tmp_path: Path, happens: Callable[[Path], object], told: str) -> None:
    """One that was only touched, or written again as it was, is the same."""
    path = tmp_path / "net.py"
    path.write_text("A")
    held = Held.of("net.py", path)
    happens(path)
    assert held.problem() == told


def test_what_was_not_written_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run looks, and a network may have hundreds of MB."""
    path = tmp_path / "net.onnx"
    path.write_text("A")
    held = Held.of("net.onnx", path)
    monkeypatch.setattr("significand.workload.held.digest_of", None)
    assert held.problem() == ""
