"""Behaviour of the command line: words in, text and exit codes out."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import psutil
import pytest
from cyclopts.completion.detect import ShellDetectionError
from rich.text import Text

from conftest import eventually, workers_of
from made_up_jobs import QUICK, nothing_drawn
from made_up_place import MadeUpPlace, made_to_fail, made_up_run
from made_up_results import made_up_folder, made_up_runs, with_values
from made_up_selftest import NOTHING, RESULT
from significand import __version__
from significand.cli import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    SOME_RUN_FAILED,
    UNFIT,
    Flags,
    app,
    likely_measures,
    main,
    program,
)
from significand.cli.common import console
from significand.doctor.check import Check
from significand.doctor.selftest import WORKLOAD, SelfTest, Verdict
from significand.engines.base import engines_tried
from significand.plan.options import GROUPS, OPTIONS
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.present.page import ReportError
from significand.results.records import Run
from significand.results.store import REPORT, RunDirectory
from significand.runner.block import Block

MADE_UP = Path(__file__).parents[1] / "made_up_program.py"


def called(*words: str, cwd: Path | None = None, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "significand", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run", True),
        ("run --repeats 3 --precision float32,int8 --on-noise mark", True),
        ("run my.py --repeats 3", False),
        ("run --model cnn", False),
        ("run --resume --output-dir there", False),
        ("run --idle-baseline=10", False),
        ("run --help", False),
        ("report there", False),
        ("", False),
    ],
)
def test_runs_are_made_ready_ahead_only_where_they_are_likely(words: str, expected: bool) -> None:
    """What will measure a perceptron here at once begins to import what runs need before it reads its arguments."""
    assert likely_measures(words.split()) is expected


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_run_prints_a_table_and_where_the_results_are(tmp_path: Path) -> None:
    """A run ends with exit code 0, the table and the folder on stdout, progress on stderr."""
    done = called(*QUICK, "--output-dir", str(tmp_path / "out"))
    assert done.returncode == DONE, done.stderr
    assert "float32" in done.stdout
    assert "infers int8" in done.stdout
    assert "est. energy" in done.stdout
    assert done.stdout.endswith(f"Results: {tmp_path / 'out'}\nReport: {tmp_path / 'out' / REPORT}\n")
    assert (tmp_path / "out" / REPORT).read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert "block 2 of 2" in done.stderr
    assert max(map(len, done.stdout.splitlines()[:-2])) <= 80
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_the_module_runs_the_same_job(tmp_path: Path) -> None:
    """`python -m significand.statistical_analysis` takes the flags of `significand run`."""
    words = [*QUICK[1:], "--output-dir", str(tmp_path / "out"), "--seed", "3", "--repeats", "1", "--json"]
    done = subprocess.run(
        [sys.executable, str(MADE_UP), "significand.statistical_analysis", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == DONE, done.stderr
    assert [row["precision_mode"] for row in json.loads(done.stdout)] == ["float32", "int8"]
    assert json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["experiment"]["seed"] == 3


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_a_failed_run_is_named_and_gives_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When some run failed the exit code is 1, and stderr names the run and the reason."""
    nothing_drawn(monkeypatch)
    words = [*QUICK, "--repeats", "1", "--learning-rate", "1e30", "--output-dir", str(tmp_path / "out")]
    assert main(words) == SOME_RUN_FAILED
    said = capsys.readouterr()
    assert re.search(r"2 runs failed, r000-\w+, r000-\w+: diverged", said.err)
    assert "float32 (1), int8 (1): 2 of 2 runs failed" in said.out


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_a_killed_worker_gives_exit_code_1_and_the_other_rows(tmp_path: Path) -> None:
    """SIGKILL to a worker in the middle: its row says why, the others are complete, the exit code is 1."""
    words = [*QUICK, "--repeats", "3", "--latency-rounds", "40", "--output-dir", str(tmp_path / "out"), "--json"]
    process = subprocess.Popen([sys.executable, "-m", "significand", *words], stdout=subprocess.PIPE, text=True)
    raw = tmp_path / "out/raw_runs.csv"
    assert eventually(lambda: raw.exists() and raw.read_text(encoding="utf-8").count("\n") > 2, 60)

    def killed() -> bool:
        # A worker may be found just when it is done; then the next one is taken.
        with contextlib.suppress(psutil.NoSuchProcess):
            for worker in workers_of(process.pid)[:1]:
                worker.kill()
        return "killed by SIGKILL" in raw.read_text(encoding="utf-8")

    assert eventually(killed)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == SOME_RUN_FAILED
    rows = json.loads(out)
    assert sum(row["failed_runs"] for row in rows) >= 1
    assert [row["repeats"] + row["failed_runs"] for row in rows] == [3, 3]
    assert all(row["repeats"] >= 1 for row in rows)


@pytest.mark.usefixtures("instant")
def test_a_full_disk_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """When a result cannot be written the cause is one line on stderr, the exit code 1, and no traceback."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RunDirectory, "append", full)
    assert main([*QUICK, "--output-dir", str(tmp_path / "out"), "-q"]) == SOME_RUN_FAILED
    assert "No space left on device; finished runs are kept" in capfd.readouterr().err


@pytest.mark.slow
def test_a_terminal_that_knows_no_sign_still_gets_the_table() -> None:
    """Where a sign cannot be written a question mark stands for it; nothing breaks."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "significand", "run", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (DONE, "")


def test_the_command_line_can_be_called_from_a_thread(tmp_path: Path) -> None:
    """`main` neither needs the main thread nor changes how the process takes signals."""
    before = signal.getsignal(signal.SIGTERM)
    codes: list[int] = []
    words = ["run", "--repeats", "0", "--output-dir", str(tmp_path / "out")]
    thread = threading.Thread(target=lambda: codes.append(main(words)))
    thread.start()
    thread.join()
    assert codes == [BAD_INPUT]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_polite_kill_is_taken_as_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, unlike `main`, has SIGTERM end it as Ctrl-C does."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("significand.cli.main", lambda: DONE)
    monkeypatch.setattr("significand.cli.os._exit", sys.exit)
    try:
        with pytest.raises(SystemExit, match="0"):
            program()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_an_interrupt_says_how_many_runs_are_kept(tmp_path: Path) -> None:
    """Ctrl-C ends all processes, keeps the finished runs and says how many; no traceback."""
    words = [*QUICK, "--repeats", "200", "--output-dir", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "significand", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    raw = tmp_path / "out/raw_runs.csv"
    assert eventually(lambda: raw.exists() and raw.read_text(encoding="utf-8").count("\n") > 2, 60)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    kept = raw.read_text(encoding="utf-8").count("\n") - 1
    assert f"interrupted: {kept} of 400 runs finished and kept in {tmp_path / 'out'}" in err
    assert "Traceback" not in err
    assert eventually(lambda: not any(one.is_running() for one in family))


BAD = {
    "layer_sizes": "--layer-sizes 64",
    "activations": "--activations rleu,softmax",
    "precision_modes": "--modes float32,bfloat16",
    "batch_size": "--batch-size 0",
    "epochs": "--epochs abc",
    "repeats": "--repeats -1",
    "n_samples": "--n-samples 3",
    "data": "--data missing.csv",
    "threads": "--threads 10000",
    "optimizer": "--optimizer lion",
    "engine": "--engine tensorrt",
}


@pytest.mark.parametrize("field", BAD)
def test_bad_input_is_one_clear_line(field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake gives exit code 2 and a line that begins with the field; nothing is written."""
    out = tmp_path / "out"
    assert main(["run", "--data", "digits", "--output-dir", str(out), *BAD[field].split()]) == BAD_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert any(line.startswith(f"significand: {field}: ") for line in lines), lines
    assert not out.exists()


def test_all_mistakes_are_reported_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several mistakes give a line each, in one go."""
    words = ["run", "--batch-size", "0", "--epochs", "x", "--modes", "int9", "--repeats", "0"]
    assert main([*words, "--output-dir", str(tmp_path / "out")]) == BAD_INPUT
    fields = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert sorted(fields) == ["batch_size", "epochs", "precision_modes", "repeats"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rum"], "rum"),
        (["run", "--repaets", "3"], "--repaets"),
        (["run", "--repeats"], "--repeats"),
        (["run", "--config", "missing.toml"], "config: 'missing.toml' cannot be read"),
    ],
)
def test_words_that_are_not_understood(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown commands, flags and files give exit code 2 and name the word; no traceback."""
    assert main(words) == BAD_INPUT
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("instant")
def test_flags_win_over_the_config_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A TOML file gives the experiment, its paths relative to itself; flags change single fields; -q prints nothing."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", X=random.normal(size=(60, 5)), y=np.arange(60) % 3)
    (tmp_path / "plan.toml").write_text(
        'layer_sizes = [5, 8, 3]\nactivations = ["tanh", "softmax"]\ndata = "own.npz"\noutput_dir = "out"\n'
        'precision_modes = ["float32"]\nepochs = 1\nrepeats = 7\nlatency_rounds = 1\n',
        encoding="utf-8",
    )
    assert main(["run", "--config", str(tmp_path / "plan.toml"), "--repeats", "1", "-q"]) == DONE
    assert capfd.readouterr() == ("", "")
    experiment = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["experiment"]
    assert (experiment["repeats"], experiment["epochs"], experiment["layer_sizes"]) == (1, 1, [5, 8, 3])


@pytest.mark.usefixtures("instant")
def test_an_own_table_is_measured_by_its_name_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A table as pandas writes it, row numbers and all, needs no option that describes it."""
    random = np.random.default_rng(0)
    lines = [f"{at},{random.normal()},{random.normal()},{'NA' if at % 3 else 'none'}" for at in range(60)]
    (tmp_path / "own.csv").write_text("\n".join([",a,b,kind", *lines]), encoding="utf-8")
    words = ["--modes", "float32", "--epochs", "1", "--repeats", "1", "--latency-rounds", "1", "-q"]
    assert main(["run", "--data", str(tmp_path / "own.csv"), "--output-dir", str(tmp_path / "out"), *words]) == DONE
    assert capfd.readouterr() == ("", "")
    experiment = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))["experiment"]
    assert (experiment["layer_sizes"], experiment["activations"]) == ([2, 128, 2], ["relu", "softmax"])


def test_unknown_config_keys_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown TOML key is refused, with the nearest name."""
    (tmp_path / "plan.toml").write_text("epoch = 3\n", encoding="utf-8")
    assert main(["run", "--config", str(tmp_path / "plan.toml")]) == BAD_INPUT
    assert "epoch: is not a field of an experiment (did you mean 'epochs'?)" in capsys.readouterr().err


def test_every_field_has_a_flag() -> None:
    """Flags and fields of an experiment are the same set."""
    assert [field.name for field in dataclasses.fields(Flags)] == list(OPTIONS)  # type: ignore[arg-type]  # at run time


def test_help_shows_the_flags_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """Help of run has a heading for every group of options, in their order, after the flags that are no fields."""
    assert main(["run", "--help"]) == DONE
    text = capsys.readouterr().out
    places = [text.index(what) for what in ("--config", *GROUPS)]
    assert places == sorted(places)
    assert places[1] < text.index("--layer-sizes") < places[2]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Help lists every flag with its default; --version prints the version."""
    assert main(["run", "--help"]) == DONE
    text = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in text for name in OPTIONS)
    assert "float32,float16,int8" in text.replace("\n", "")
    assert main(["--version"]) == DONE
    assert capsys.readouterr().out.strip() == __version__


def test_a_call_knows_nothing_of_the_flags_of_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    """What is refused in one call is not refused again in the next, which has other flags."""
    assert main(["run", "--batch-size", "0"]) == BAD_INPUT
    assert "batch_size" in capsys.readouterr().err
    assert main(["run", "--repeats", "0"]) == BAD_INPUT
    error = capsys.readouterr().err
    assert "repeats" in error
    assert "batch_size" not in error


def test_without_words_the_first_steps_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`significand` alone is no mistake: it says in a few lines what to type, and every line is a command."""
    assert main([]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 14
    steps = [line.split("   ")[0].split()[1:] for line in lines if line.startswith("  significand")]
    wanted = ["doctor", "modes", "run", "init", "modes", "run", "report", "choose", "explain", "compare"]
    assert [words[0] for words in steps] == wanted
    for words in steps:
        app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", ["", *(name for name in app if name not in {"--help", "-h", "--version"})])
def test_every_help_has_an_example_that_is_understood(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command, and of the program, has a line to copy, and its words and flags are real."""
    assert main([*filter(None, [name]), "--help"]) == DONE
    (example,) = re.findall(r"^Example: significand (.+)$", capsys.readouterr().out, flags=re.MULTILINE)
    words = shlex.split(example)
    assert words[0] == name or not name
    app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.slow
def test_a_closed_pipe_is_not_an_error() -> None:
    """`significand --help | head -1` ends quietly."""
    command = f"{sys.executable} -m significand run --help | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_modes_shows_every_engine_and_mode(capsys: pytest.CaptureFixture[str]) -> None:
    """`significand modes` says for each pair how it runs; --json gives the same as data."""
    assert main(["modes", "--json"]) == DONE
    support = json.loads(capsys.readouterr().out)
    assert len(support) == len(engines_tried()) * len(MODES)
    assert {one["how"] for one in support} <= {"native", "other", "no"}
    assert main(["modes"]) == DONE
    assert "int8-dynamic" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("levels", "code", "last"),
    [
        (["ok"], DONE, "no warnings, nothing bad: this machine can measure"),
        (["ok", "warn"], DONE, "1 warning, nothing bad: this machine can measure"),
        (["warn", "bad"], 1, "1 bad, 1 warning: mend what is bad before measuring"),
    ],
)
def test_doctor_fails_only_on_what_is_bad(
    levels: list[str], code: int, last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1 if any check is bad, else 0; the last line says whether the machine can measure."""
    checks = [Check("turbo", level, "so", "do this") for level in levels]  # type: ignore[arg-type]  # one of its words
    monkeypatch.setattr("significand.doctor.examine.examine", lambda **_: checks)
    assert main(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last
    assert main(["doctor", "--json"]) == code
    keys = {"name": "turbo", "found": "so", "remedy": "do this"}
    assert json.loads(capsys.readouterr().out) == [keys | {"level": level} for level in levels]


@pytest.mark.slow
def test_doctor_examines_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """`significand doctor` runs every check for real: machine, meters and modes, and none of them breaks."""
    code = main(["doctor", "--json"])
    checks = json.loads(capsys.readouterr().out)
    assert code == (1 if "bad" in {check["level"] for check in checks} else DONE)
    names = {check["name"] for check in checks}
    assert {"cpu", "load", "clock", "energy_rapl", "mode_onnxruntime_int8", "mode_torch_bfloat16"} <= names
    assert not [check for check in checks if "could not be checked" in check["found"]]


def test_doctors_help_tells_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Help says when the exit code is not 0."""
    assert main(["doctor", "--help"]) == DONE
    assert "exit code is 1 if anything is bad" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def before_and_after(tmp_path: Path) -> list[str]:
    """Write two made-up result folders of which the later one is a tenth slower."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    return [str(old), str(made_up_folder(tmp_path / "new", made_up_runs(2, slower=1.1)))]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], DONE),
        (["--fail-on", "worse"], 1),
        (["--fail-on", "worse", "--margin", "2%"], 1),
        (["--fail-on", "worse", "--margin", "20%"], DONE),
        (["--fail-on", "worse", "--metrics", "memory,accuracy"], DONE),
        (["--fail-on", "different", "--markdown"], 1),
    ],
)
def test_compare_is_a_gate(
    words: list[str], code: int, before_and_after: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1 only where --fail-on finds something beyond the margin; stderr tells what, and the outcome."""
    assert main(["compare", *before_and_after, *words]) == code
    captured = capsys.readouterr()
    assert "latency" in captured.out or "--metrics" in words
    assert captured.err.startswith("significand: worse: float32: 1.") == (code == 1)
    last = captured.err.splitlines()[-1] if captured.err else ""
    outcome = "failed" if code == 1 else "passed"
    assert last == (f"significand: --fail-on {words[1]}: {outcome}" if words else "")


def test_compare_prints_json(before_and_after: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one object with a row per comparison, and nothing else."""
    assert main(["compare", *before_and_after, "--json", "--metrics", "latency, memory"]) == DONE
    rows = json.loads(capsys.readouterr().out)["comparisons"]
    assert [(row["metric"], row["verdict"]) for row in rows] == [
        ("latency", "worse"),
        ("memory", "no difference shown"),
    ]


def test_compare_refuses_what_is_not_comparable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What differs gives exit code 2 and a line each, visible whatever is in it; --allow, given twice, admits it."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    new = made_up_folder(tmp_path / "new", made_up_runs(2), machine={"host": "\x1b[2J", "evil\x1b": 1, "os": "c"})
    assert main(["compare", str(old), str(new)]) == BAD_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in lines] == [" machine.host", " machine.os"]
    assert "\x1b" not in "".join(lines)
    assert main(["compare", str(old), str(new), "--allow", "machine.host", "--allow", "machine.os"]) == DONE
    assert "\x1b" not in capsys.readouterr().out
    assert main(["compare", str(old), str(new), "--fail-on", "worse"]) == BAD_INPUT
    assert capsys.readouterr().err.endswith("significand: --fail-on worse: not judged\n")
    assert main(["compare", str(old), str(new), "--json", "--markdown"]) == BAD_INPUT
    assert "give either --json or --markdown" in capsys.readouterr().err


def test_a_gate_that_judges_nothing_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Single runs cannot be tested: with --fail-on that is exit code 2, not a pass."""
    old = str(made_up_folder(tmp_path / "old", made_up_runs(1, n=1)))
    new = str(made_up_folder(tmp_path / "new", made_up_runs(2, n=1, slower=10.0)))
    for words in ([], ["--metrics", "latency"]):
        assert main(["compare", old, new, *words, "--fail-on", "worse"]) == BAD_INPUT
        error = capsys.readouterr().err
        assert "nothing could be tested of float32; finish at least 2 repeats" in error
        assert error.endswith("significand: --fail-on worse: not judged\n")


def test_a_gate_fails_where_the_only_mode_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All runs of the only mode failed in NEW: every output says it, and with --fail-on that is exit code 1."""
    old = str(made_up_folder(tmp_path / "old", made_up_runs(1)))
    new = str(made_up_folder(tmp_path / "new", with_values(made_up_runs(2), "status", ["failed"] * 8)))
    for words in ([], ["--json"], ["--markdown"]):
        assert main(["compare", old, new, *words]) == DONE
        assert "lost_modes" in (text := capsys.readouterr().out) or "All runs of float32 failed in NEW" in text
        assert main(["compare", old, new, *words, "--fail-on", "worse"]) == 1
        assert capsys.readouterr().err == (
            "significand: worse: float32: all runs failed in NEW, not in OLD\nsignificand: --fail-on worse: failed\n"
        )


def test_history_shows_results_and_says_when_there_are_none(
    tmp_path: Path, before_and_after: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`significand history` prints tables or JSON; a folder without results gives exit code 2."""
    assert main(["history", before_and_after[0]]) == DONE
    assert "no change points: too few results (1; at least 5)" in capsys.readouterr().out
    assert main(["history", before_and_after[0], "--json", "--metrics", "latency"]) == DONE
    assert [one["metric"] for one in json.loads(capsys.readouterr().out)["series"]] == ["latency"]
    assert main(["history", str(tmp_path / "none")]) == BAD_INPUT
    assert "holds no results" in capsys.readouterr().err


def test_the_help_of_comparing_tells_what_the_margin_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Help says how the margin and the exit code go together."""
    assert main(["compare", "--help"]) == DONE
    text = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "what may be smaller than the margin passes" in text


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let a report be a word."""
    monkeypatch.setattr("significand.present.page.report_html", lambda results: f"page of {len(results.runs)} runs")
    return monkeypatch


@pytest.mark.usefixtures("drawn")
def test_report_writes_the_page_and_opens_it_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any result folder, even of an early version, gets its page; the path is the last line; --open shows the file."""
    monkeypatch.chdir(tmp_path)
    made_up_folder(Path("my results"), made_up_runs(1), schema_version=1)
    opened: list[str] = []

    def open_it(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", open_it)
    assert main(["report", "my results"]) == DONE
    assert Path("my results", REPORT).read_text(encoding="utf-8") == "page of 8 runs"
    assert capsys.readouterr().out == f"Report: my results/{REPORT}\n"
    assert opened == []
    assert main(["report", "my results", "--open"]) == DONE
    assert opened == [(tmp_path / "my results" / REPORT).as_uri()]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("drawn")
def test_a_machine_without_a_browser_is_no_error(
    before_and_after: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--open says that there is none, and the path all the same."""
    monkeypatch.setattr("webbrowser.open", lambda address: False)  # noqa: ARG005
    assert main(["report", before_and_after[0], "--open"]) == DONE
    captured = capsys.readouterr()
    assert "no browser can be started here" in captured.err
    assert captured.out == f"Report: {before_and_after[0]}/{REPORT}\n"


def test_report_and_table_refuse_what_is_no_result_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line that names what is missing; nothing is written."""
    for command in ("report", "table"):
        assert main([command, str(tmp_path)]) == BAD_INPUT
        assert "give a folder that `significand run` has written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_is_told(
    before_and_after: list[str], drawn: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked for by itself, a report that cannot be written is exit code 1, with the cause and the remedy."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    drawn.setattr("significand.present.page.replacing", full)
    assert main(["report", before_and_after[0]]) == 1
    assert "No space left on device in" in capsys.readouterr().err


def test_the_table_of_an_interrupted_experiment_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In every form it is told that more runs were planned."""
    folder = str(made_up_folder(tmp_path / "part", made_up_runs(1), state="interrupted"))
    for words in ([], ["--latex"], ["--markdown"]):
        assert main(["table", folder, *words]) == DONE
        assert "The experiment is interrupted: these are its 8 runs so far." in capsys.readouterr().out


def test_a_wrong_flag_leads_to_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help that is named lists the flags that there are."""
    assert main(["run", "--epoch", "1"]) == BAD_INPUT
    assert "Try: significand run --help" in capsys.readouterr().err
    assert main(["runn"]) == BAD_INPUT
    assert "Try: significand --help" in capsys.readouterr().err


def test_table_prints_the_runs_table_or_one_for_a_paper(
    before_and_after: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """By default what `run` prints, else LaTeX or Markdown; both at once are refused."""
    folder = before_and_after[0]
    assert main(["table", folder]) == DONE
    assert "1.96 standard errors" in " ".join(capsys.readouterr().out.split())
    assert main(["table", folder, "--latex"]) == DONE
    assert capsys.readouterr().out.rstrip().endswith(r"\end{table}")
    assert main(["table", folder, "--markdown"]) == DONE
    assert capsys.readouterr().out.startswith("| Mode | Trained in |")
    assert main(["table", folder, "--latex", "--markdown"]) == BAD_INPUT
    assert "give either --latex or --markdown" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A terminal to write to."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_means_text_and_nothing_else(no_color: str, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR set not even a terminal gets an escape sequence, for bold and dim no more than for colours."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr("sys.stdout", Terminal())
    console().print(Text("dim", style="dim"), Text("red", style="bold red"))
    assert isinstance(sys.stdout, Terminal)
    assert ("\x1b" in sys.stdout.getvalue()) == coloured


@pytest.mark.parametrize(("columns", "most"), [(None, 80), ("60", 60), ("0", 80), ("wide", 80)])
def test_a_log_is_as_wide_as_columns_says(
    columns: str | None,
    most: int,
    before_and_after: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a terminal the table takes 80 columns, or what COLUMNS says where that is a width."""
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert main(["table", before_and_after[0]]) == DONE
    assert 40 < max(map(len, capsys.readouterr().out.splitlines())) <= most


SHELLS = {
    "bash": ".local/share/bash-completion/completions/significand",
    "zsh": ".zsh/completions/_cyclopts_significand",
    "fish": ".config/fish/completions/significand.fish",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_installed_below_the_home_folder(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script knows every command and every flag of an experiment, and its path is told."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ZSH", "ZSH_CUSTOM"):
        monkeypatch.delenv(name, raising=False)
    assert main(["--install-completion", "--shell", shell]) == DONE
    path = tmp_path / SHELLS[shell]
    assert capsys.readouterr().out == f"Completion: {path}; new shells have it\n"
    script = path.read_text(encoding="utf-8")
    assert all(name in script for name in app if not name.startswith("-"))
    assert all(name.replace("_", "-") in script for name in OPTIONS)


def test_a_shell_that_cannot_be_found_out_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing tells the shell, exit code 2 names the flag."""

    def unknown() -> None:
        raise ShellDetectionError

    monkeypatch.setattr("cyclopts.completion.detect.detect_shell", unknown)
    assert main(["--install-completion"]) == BAD_INPUT
    assert "give --shell bash, zsh or fish" in capsys.readouterr().err


def test_a_home_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and one line with the cause."""
    (tmp_path / ".config").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["--install-completion", "--shell", "fish"]) == 1
    assert "the completion could not be written: [Errno 20] Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "2 days"], "'2 days' is not a time; give a number and one of s, sec, m, min, h"),
        (["--budget", "0s"], "'0s' is no time at all"),
        (["--repeats", "1"], "1 repeats; give from 2"),
        (["--threads", "4096"], "threads: 4096 exceeds the"),
    ],
)
def test_selftest_refuses_what_cannot_be(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A time, repeats or threads out of range give exit code 2 and the limit, before anything runs."""
    assert main(["selftest", *words]) == BAD_INPUT
    assert said in capsys.readouterr().err


def test_a_selftest_that_judged_nothing_supports_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 where no experiment was whole."""
    monkeypatch.setattr(
        "significand.doctor.selftest.run_selftest", lambda *_, **__: dataclasses.replace(NOTHING, interrupted=False)
    )
    assert main(["selftest"]) == UNFIT
    assert "cannot say" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verdict", "interrupted", "code"),
    [
        ("trust", False, DONE),
        ("trust so far", False, DONE),
        ("trust with more repeats", False, DONE),
        ("do not trust", False, UNFIT),
        ("cannot say", False, DONE),
        ("trust", True, INTERRUPTED),
    ],
)
def test_selftest_exit_codes(
    verdict: Verdict,
    interrupted: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1 says that nothing supports verdicts here, 130 that Ctrl-C ended it; the result is printed anyway."""
    result = dataclasses.replace(RESULT, verdict=verdict, interrupted=interrupted)
    asked: list[tuple[float, object]] = []

    def made_up(
        budget_s: float, *, repeats: int, on_experiment: Callable[[int, float], None], workload: object
    ) -> SelfTest:
        assert workload == {**WORKLOAD, "threads": None}
        asked.append((budget_s, repeats))
        on_experiment(1, 9.7)
        return result

    monkeypatch.setattr("significand.doctor.selftest.run_selftest", made_up)
    assert main(["selftest", "--budget", "90s", "--repeats", "12"]) == code
    printed = capsys.readouterr()
    assert printed.out.startswith("against itself")
    assert verdict in printed.out
    assert printed.err == "experiment 1 is complete, 10 s of 90s\n"
    assert main(["selftest", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["answers"][1]["found"]["hits"]) == (verdict, 15)
    assert asked == [(90, 12), (120, 10)]


@pytest.mark.usefixtures("instant")
def test_a_run_ends_with_the_path_of_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table and sentences fit 80 columns, broken at words; then come the folder and the report."""
    assert main([*QUICK, "--repeats", "4", "--output-dir", str(tmp_path)]) == DONE
    out = capsys.readouterr().out
    assert out.endswith(f"\nResults: {tmp_path}\nReport: {tmp_path / REPORT}\n")
    assert max(map(len, out.splitlines()[:-2])) <= 80
    assert "latency than float32 [" in " ".join(out.split())
    assert main([*QUICK, "--output-dir", str(tmp_path), "-q"]) == DONE
    assert capsys.readouterr().out == ""


def test_a_missing_report_is_told_on_stderr(
    tmp_path: Path, instant: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It costs neither the table nor the exit code, and is told however quiet the rest is."""

    def cannot(*_: object) -> NoReturn:
        raise ReportError("report.html could not be made (no ink); no result is lost")

    instant.setattr("significand.job.write_report", cannot)
    for words in ([], ["-q"], ["--json"]):
        assert main([*QUICK, "--output-dir", str(tmp_path), *words]) == DONE
        captured = capsys.readouterr()
        assert "significand: report.html could not be made (no ink); no result is lost\n" in captured.err
        assert "Report:" not in captured.out
        assert (f"Results: {tmp_path}\n" in captured.out) == (not words)


@pytest.mark.usefixtures("instant")
def test_resuming_says_what_it_came_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the table stands how many runs were there already."""
    assert main([*QUICK, "--output-dir", str(tmp_path)]) == DONE
    assert "Resumed" not in capsys.readouterr().out
    assert main([*QUICK, "--output-dir", str(tmp_path), "--resume"]) == DONE
    assert "Resumed: 4 of 4 runs were there already: nothing was measured\n" in capsys.readouterr().out


def test_a_reason_cannot_move_the_cursor(
    tmp_path: Path, instant: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters in a failed run's reason are shown as signs, on stderr as in the table."""
    place = partial(MadeUpPlace, make=made_to_fail(reason="lost \x1b[2J\x07words"))
    instant.setattr("significand.job.Here", place)
    assert main([*QUICK, "--repeats", "1", "--output-dir", str(tmp_path)]) == SOME_RUN_FAILED
    captured = capsys.readouterr()
    assert "\x1b" not in captured.err + captured.out
    assert "significand: 2 runs failed, r000-float32, r000-int8: lost \ufffd[2J\ufffdwords\n" in captured.err


@pytest.mark.parametrize("words", [["--config", "plan.toml"], ["--data", "\x1b[2Jx"], ["--\x1b[2Jx", "1"]])
def test_names_from_files_and_flags_cannot_move_the_cursor(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An escape sequence in a TOML key, a path or a flag is shown, not obeyed."""
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text('"\\u001b[2Jx" = 1\n', encoding="utf-8")
    assert main(["run", *words]) == BAD_INPUT
    error = capsys.readouterr().err
    assert "[2Jx" in error
    assert "\x1b" not in error


def test_a_pipe_for_a_config_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody may ever write to it, so it is not waited for."""
    os.mkfifo(tmp_path / "plan.toml")
    assert main(["run", "--config", str(tmp_path / "plan.toml")]) == BAD_INPUT
    assert "is not a file; give the path of a TOML file" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["", " --output-dir="])
def test_an_empty_folder_name_is_not_the_working_directory(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell variable that is not set names no folder; nothing is measured into the one that we stand in."""
    words = ["run", *(given.split() or ["--output-dir", ""])]
    assert main(words) == BAD_INPUT
    assert "'' names nothing" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["table", "report", "history", "compare"])
def test_a_folder_that_cannot_be_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What reads results takes neither an unset variable for the working directory nor fails over a long name."""
    for name, told in (("", "'' names nothing"), ("x" * 300, "give a folder that `significand run` has written")):
        assert main([command, *[name] * (1 + (command == "compare"))]) == BAD_INPUT
        assert told in capsys.readouterr().err


def test_runs_that_failed_for_one_reason_are_one_line(
    tmp_path: Path, instant: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reason is told once, with how many runs it ended and the first of their names; another one has its own line."""

    def fail(block: Block, setup: Setup) -> tuple[Run, Mapping[str, np.ndarray]]:
        if (block.repeat, setup.precision) == (2, "int8"):
            return made_up_run(block, setup)
        reason = "diverged" if (block.repeat, setup.precision) != (1, "int8") else "killed"
        return made_to_fail(reason=reason)(block, setup)

    instant.setattr("significand.job.Here", partial(MadeUpPlace, make=fail))
    assert main([*QUICK, "--repeats", "3", "--output-dir", str(tmp_path)]) == SOME_RUN_FAILED
    assert [line for line in capsys.readouterr().err.splitlines() if "failed" in line] == [
        "significand: 4 runs failed, r000-float32, r000-int8, r001-float32, ...: diverged",
        "significand: run r001-int8 failed: killed",
    ]
