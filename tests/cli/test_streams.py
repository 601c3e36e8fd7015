"""Behaviour of the command line where its output cannot be written: nothing ends for that, and what is lost is told."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from made_up_jobs import QUICK
from made_up_results import made_up_folder, made_up_runs
from made_up_selftest import RESULT
from significand.cli import BAD_INPUT, DONE, INTERRUPTED, UNFIT, main
from significand.cli.common import FAILED_GATE, NOT_WRITTEN
from significand.cli.streams import Stream
from significand.doctor.check import Check
from significand.results.journal import JOURNAL, read_journal
from significand.results.store import MANIFEST, SUMMARY_CSV

RUN = [*QUICK, "--on-noise", "mark"]


class Broken(io.StringIO):
    """A stream that takes text and cannot hand it on, as a buffered one on a full disk."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def flush(self) -> None:
        """Fail."""
        raise OSError(self._number, os.strerror(self._number))


def closed_file() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


FAULTS: dict[str, tuple[Callable[[], io.StringIO | None], str]] = {
    "full disk": (lambda: Broken(errno.ENOSPC), "stdout: No space left on device"),
    "terminal gone": (lambda: Broken(errno.EIO), "stdout: Input/output error"),
    "no descriptor": (lambda: None, "stdout is closed"),
    "closed file": (closed_file, "stdout is closed"),
}

READING = {
    "first steps": [],
    "help": ["--help"],
    "help of run": ["run", "--help"],
    "version": ["--version"],
    "table": ["table", "{new}"],
    "latex": ["table", "{new}", "--latex"],
    "compare": ["compare", "{old}", "{new}"],
    "compare as JSON": ["compare", "{old}", "{new}", "--json"],
    "compare as Markdown": ["compare", "{old}", "{new}", "--markdown"],
    "history": ["history", "{new}"],
    "modes": ["modes"],
    "modes as JSON": ["modes", "--json"],
    "doctor": ["doctor"],
    "doctor as JSON": ["doctor", "--json"],
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Write two results, the later one a tenth slower, and have a made-up machine."""
    monkeypatch.setattr("significand.doctor.examine.examine", lambda **_: [Check("turbo", "ok", "off")])
    monkeypatch.setattr("significand.engines.probe.probe_modes", list)
    return {
        "old": made_up_folder(tmp_path / "old", made_up_runs(1)),
        "new": made_up_folder(tmp_path / "new", made_up_runs(2, slower=1.1)),
    }


def filled(words: list[str], folders: dict[str, Path]) -> list[str]:
    return [word.format(**folders) for word in words]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", READING)
def test_output_that_cannot_be_written_is_one_line_and_an_exit_code(
    command: str,
    fault: str,
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever was to be printed and wherever it fails: the cause on stderr, exit code 1, no traceback."""
    made, cause = FAULTS[fault]
    monkeypatch.setattr("sys.stdout", made())
    assert main(filled(READING[command], folders)) == NOT_WRITTEN
    assert capsys.readouterr().err == f"significand: not everything could be printed: {cause}\n"


@pytest.mark.parametrize("command", READING)
def test_a_reader_that_has_seen_enough_is_no_fault(
    command: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be asked for again ends quietly where the pipe was closed, as `head` closes it."""
    monkeypatch.setattr("sys.stdout", Broken(errno.EPIPE))
    assert main(filled(READING[command], folders)) == DONE
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_gate_holds_whoever_reads_it(number: int, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that failed fails although nobody could read why."""
    for name in ("sys.stdout", "sys.stderr"):
        monkeypatch.setattr(name, Broken(number))
    words = ["compare", str(folders["old"]), str(folders["new"]), "--fail-on", "worse"]
    assert main(words) == FAILED_GATE
    assert main([*words, "--metrics", "nonsense"]) == BAD_INPUT


@pytest.mark.parametrize("made", [lambda: None, closed_file, lambda: Broken(errno.ENOSPC)])
@pytest.mark.parametrize(
    "words", [["tabel"], ["table", "nowhere"], ["run", "--repeats", "0"], ["selftest", "--budget", "x"]]
)
def test_errors_that_nobody_can_read_keep_their_exit_code(
    made: Callable[[], io.StringIO | None],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without stderr the exit code still says that the input is bad, and nothing strays to stdout."""
    monkeypatch.setattr("sys.stderr", made())
    assert main(words) == BAD_INPUT
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("interrupted", "verdict", "code"),
    [(False, "trust", NOT_WRITTEN), (False, "do not trust", UNFIT), (True, "trust", INTERRUPTED)],
)
def test_a_selftest_that_cannot_be_printed_is_told_even_if_its_reader_left(
    interrupted: bool,
    verdict: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Minutes of measuring are lost with it; a worse exit code stays."""
    result = dataclasses.replace(RESULT, verdict=verdict, interrupted=interrupted)  # type: ignore[arg-type]  # a word
    monkeypatch.setattr("significand.doctor.selftest.run_selftest", lambda *_, **__: result)
    monkeypatch.setattr("sys.stdout", Broken(errno.EPIPE))
    assert main(["selftest"]) == code
    assert capsys.readouterr().err == (
        "significand: not everything could be printed: the reader of stdout is gone; a self-test is kept nowhere: "
        "run it again\n"
    )


MADE_UP = Path(__file__).parents[1] / "made_up_program.py"


def in_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell's line that calls the program as ``$S``, or as ``$M`` with experiments that take no time."""
    environment = os.environ | {"S": f"{sys.executable} -m significand", "M": f"{sys.executable} {MADE_UP} significand"}
    words = ["/bin/bash", "-c", f"set -o pipefail; {command}"]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "redirection", "code", "told"),
    [
        ("AWAIT_READER=1 $M", "2>&1 | head -n 1", NOT_WRITTEN, ""),  # nobody is left who could be told
        (
            "$M",
            "| true",
            NOT_WRITTEN,
            "the reader of stdout is gone; the results are in out; `significand table` prints them",
        ),
        ("$M", ">/dev/full", NOT_WRITTEN, "No space left on device; the results are in out"),
        ("$M", "2>/dev/full", DONE, ""),
        ("$M", "2>&-", DONE, ""),
        ("$S", "<&- >&- 2>&-", NOT_WRITTEN, ""),  # with real workers, which inherit what is open
        ("$M", "--json >&-", NOT_WRITTEN, "stdout is closed; the results are in out"),
        ("$M", "-q >&-", DONE, ""),  # nothing was to be printed
    ],
)
def test_measuring_goes_on_without_a_reader(
    program: str, redirection: str, code: int, told: str, tmp_path: Path
) -> None:
    """The experiment comes to its end with all its files; the exit code says whether its result was printed."""
    done = in_shell(f"{program} {' '.join(RUN)} --output-dir out {redirection}", tmp_path)
    assert done.returncode == code, done
    assert json.loads((tmp_path / "out" / MANIFEST).read_text(encoding="utf-8"))["state"] == "finished"
    assert (tmp_path / "out" / SUMMARY_CSV).stat().st_size
    # A file that got the number of a closed descriptor would hold whatever a library says.
    assert len(read_journal(tmp_path / "out" / JOURNAL).runs) == 4
    said = [line for line in done.stderr.splitlines() if line.startswith("significand")]
    assert [told in line for line in said] == [True] * bool(told), done.stderr
    if code == DONE and not redirection.startswith("-q"):
        assert "Results: out" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "redirection"),
    [
        *(("--help", redirection) for redirection in (">/dev/full", ">&-", "2>&-", ">/dev/full 2>&1", "| true")),
        *(("table nowhere", redirection) for redirection in (">&-", "2>/dev/full", "2>&-", ">/dev/full 2>&1")),
        ("--version", ">/dev/full"),
    ],
)
def test_the_interpreter_has_nothing_to_add(words: str, redirection: str, tmp_path: Path) -> None:
    """Nothing is left for Python to write at its end: no "Exception ignored", no exit code 120."""
    done = in_shell(f"$S {words} {redirection}", tmp_path)
    assert done.returncode in {DONE, NOT_WRITTEN, BAD_INPUT}
    assert all(line.startswith("significand: ") for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"1.2?0.1 us x0.9 0.8-1.0 gr??e"),
        ("latin-1", "1.2±0.1 µs ×0.9 0.8-1.0 größe".encode("latin-1")),
        ("utf-8", "1.2±0.1 µs ×0.9 0.8–1.0 größe".encode()),
    ],
)
def test_signs_that_an_encoding_lacks_are_replaced_by_one_as_wide(encoding: str, written: bytes) -> None:
    """A range keeps its dash and a ratio its sign, whatever the encoding; tables stay in line."""
    raw = io.BytesIO()
    stream = Stream(io.TextIOWrapper(raw, encoding=encoding))
    stream.write("1.2±0.1 µs ×0.9 0.8–1.0 größe")
    stream.flush()
    assert (raw.getvalue(), stream.lost) == (written, None)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_says_the_same_in_every_encoding(
    encoding: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that cannot be written as it is is escaped, never replaced."""
    names = [folders["new"].rename(folders["new"].with_name("größe–€")), folders["old"]]
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert main(["compare", *map(str, names), "--json"]) == DONE
    assert json.loads(raw.getvalue().decode(encoding))["old"] == str(names[0])


def test_a_caller_keeps_its_own_streams(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """`main` closes nothing and replaces nothing: who calls it goes on with the streams it had."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert main(["table", str(folders["new"])]) == DONE
    assert (sys.stdout, sys.stderr, out.closed, err.closed) == (out, err, False, False)
    with contextlib.redirect_stdout(io.StringIO()) as later:
        main(["--version"])
    assert later.getvalue().strip()
