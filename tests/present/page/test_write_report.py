"""Behaviour of the report as a file: whole or not there, and why not."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from made_up_results import made_up_folder, made_up_runs
from significand.answers.folder import Folder, read_folder
from significand.present.page import ReportError, import_parts, write_report
from significand.results.store import REPORT

REPORT_HTML = "significand.present.page.report_html"


@pytest.fixture
def results(tmp_path: Path) -> Folder:
    """Return what a made-up folder says, in which an older report lies."""
    folder = made_up_folder(tmp_path / "made up", made_up_runs(1) + made_up_runs(2, mode="int8", slower=0.5))
    (folder / REPORT).write_text("old", encoding="utf-8")
    return read_folder(folder)


@pytest.mark.slow
def test_the_page_takes_the_place_of_the_older_one(results: Folder) -> None:
    """It is written whole, names the modes, and nothing else in the folder changes."""
    before = {path.name for path in results.path.iterdir()}
    path = write_report(results)
    assert path == results.path / REPORT
    text = path.read_text(encoding="utf-8")
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "int8" in text
    assert {path.name for path in results.path.iterdir()} == before


class Panic(BaseException):
    """What compiled code below the charts raises; it is no Exception."""


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device in '", "make room, then give"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only file system in '", "make the folder writable"),
        (ModuleNotFoundError("No module named 'altair'"), "No module named 'altair'", "install significand again"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero", "if that fails, significand is at fault"),
        (Panic("at line 7"), "Panic: at line 7", "if that fails, significand is at fault"),
    ],
    ids=["disk full", "read-only", "not installed", "a fault", "a panic"],
)
def test_whatever_goes_wrong_is_told_with_the_remedy(
    error: BaseException, cause: str, remedy: str, results: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every failure is one kind of error, which says what to do; the older report stays."""

    def fail(results: Folder) -> NoReturn:
        del results
        raise error

    monkeypatch.setattr(REPORT_HTML, fail)
    with pytest.raises(ReportError) as caught:
        write_report(results)
    told = str(caught.value)
    assert told.startswith(f"report.html could not be made ({cause}")
    assert "no result is lost" in told
    assert remedy in told
    assert f"`significand report '{results.path}'`" in told
    assert (results.path / REPORT).read_text(encoding="utf-8") == "old"


def test_an_unwritable_folder_is_told(results: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file cannot be made the folder is named; made up, as the superuser may always write."""

    def read_only(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(REPORT_HTML, lambda results: "page")  # noqa: ARG005
    monkeypatch.setattr("significand.results.store.os.open", read_only)
    with pytest.raises(ReportError, match=r"Permission denied in '.*made up'.*make the folder writable"):
        write_report(results)


def test_an_interrupt_is_no_failure(results: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C goes its way."""

    def press(results: Folder) -> NoReturn:
        del results
        raise KeyboardInterrupt

    monkeypatch.setattr(REPORT_HTML, press)
    with pytest.raises(KeyboardInterrupt):
        write_report(results)


def test_what_a_report_needs_can_be_imported_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The charts are imported, so that this costs nothing later; a module that is missing is no error yet."""
    import_parts()
    assert {"altair", "jinja2"} <= set(sys.modules)
    monkeypatch.setitem(sys.modules, "significand.present.page.layout", None)
    import_parts()


@pytest.mark.parametrize("error", [RuntimeError("no home folder"), ValueError("backend"), BaseException("panicked")])
def test_what_is_broken_is_no_error_yet_either(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an import ends with, measuring begins; only Ctrl-C and an exit are for somebody else."""

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("significand.present.page.import_module", fail)
    import_parts()
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        import_parts()


@pytest.mark.slow
def test_reading_results_never_imports_torch(results: Folder) -> None:
    """Neither for the report nor for a table nor for frames is torch imported: they take no part in computing."""
    code = """
import sys
from significand import load
from significand.cli import main
folder = sys.argv[1]
load(folder).to_pandas()
assert main(["report", folder]) == main(["table", folder, "--latex"]) == 0
sys.exit("torch" in sys.modules)
"""
    words = [sys.executable, "-c", code, str(results.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Report: {results.path / REPORT}\n" in done.stdout
