"""Going on elsewhere: on a machine that calls itself otherwise, and in folders with any name."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from made_up_jobs import QUICK, interrupt_at, interrupted, manifest
from made_up_results import made_up_folder, made_up_runs
from significand.answers.compare import compare_folders
from significand.answers.folder import read_folder
from significand.cli import BAD_INPUT, DONE, main
from significand.job import ExperimentInterrupted, run_experiment_in
from significand.meters.machine import PACKAGES, describe_machine
from significand.plan.problems import PlanError
from significand.present.page.provenance import caveats
from significand.results.store import RAW_RUNS
from significand.statistical_analysis import run_repeated_benchmarks

pytestmark = pytest.mark.slow


def elsewhere(instant: pytest.MonkeyPatch, **changes: object) -> None:
    """Let this machine be another."""
    here = describe_machine() | {"host": "c0ffee"} | changes
    instant.setattr("significand.job.describe_machine", lambda **_: here)


def test_another_host_name_is_refused_with_the_flag_that_allows_it(
    tmp_path: Path, instant: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a container has after each start; with the flag it goes on, and the manifest says what differed."""
    interrupted(tmp_path)
    there = manifest(tmp_path)["machine"]["host"]
    elsewhere(instant)
    words = ["run", "--resume", f"--output-dir={tmp_path}"]
    assert main(words) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"significand: resume: machine.host: {there!r} then, 'c0ffee' now; if its runs may be mixed")
    assert "give --allow machine.host, or start anew without resume" in line
    assert main([*words, "--allow", "machine.host"]) == DONE
    assert manifest(tmp_path)["allowed"] == [{"field": "machine.host", "then": there, "now": "c0ffee", "session": 1}]
    assert manifest(tmp_path)["machine"]["host"] == there


def test_several_differences_are_allowed_one_by_one_or_together(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """What was not allowed is still refused; what was allowed before stays on the record."""
    interrupted(tmp_path, 1)
    elsewhere(instant, os="Linux-9")
    with pytest.raises(PlanError) as caught:
        run_experiment_in(tmp_path, {}, resume=True, allow=["machine.host"])
    (line,) = caught.value.problems
    assert line.startswith("resume: machine.os: ")
    with pytest.raises(ExperimentInterrupted):
        run_experiment_in(tmp_path, {}, interrupt_at(2), resume=True, allow=["machine.os", "machine.host"])
    elsewhere(instant, versions={"significand": "9"})
    run_experiment_in(tmp_path, {}, resume=True, allow=["machine"])
    entries: Any = manifest(tmp_path)["allowed"]
    found = {(entry["field"], entry["session"]) for entry in entries}
    assert {("machine.host", 1), ("machine.os", 1), ("machine.host", 2), ("machine.versions.significand", 2)} <= found


def test_python_allows_by_keyword(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """A list of fields, or a single one as a text."""
    names = ("layer_sizes", "activations", "precision_modes", "batch_size", "n_samples", "epochs", "repeats", "seed")
    options: Any = {name: value for name, value in SMALL.items() if name not in names}
    specified = [SMALL[name] for name in names]
    interrupted(tmp_path / "a")
    interrupted(tmp_path / "b")
    elsewhere(instant)
    call: Any = run_repeated_benchmarks
    for folder, allow in (("a", ["machine.host"]), ("b", "machine.host")):
        rows = call(*specified, tmp_path / folder, resume=True, allow=allow, **options)
        assert [row["repeats"] for row in rows] == [2, 2]


@pytest.mark.parametrize("name", ["experiment", "experiment.seed", "data_sha256", "method", "method.memory"])
def test_what_makes_runs_repeats_of_each_other_is_never_allowed(
    name: str, tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """Another seed, other data or another method are another experiment, whatever anybody allows."""
    interrupted(tmp_path)
    elsewhere(instant)
    with pytest.raises(PlanError, match=rf"allow: '{name}' cannot be allowed to differ.* allow machine or"):
        run_experiment_in(tmp_path, {}, resume=True, allow=[name, "machine"])


@pytest.mark.usefixtures("instant")
def test_names_that_are_no_fields_are_not_allowed(tmp_path: Path) -> None:
    """A misspelt one is said with the nearest, at once; so is one without anything to resume."""
    interrupted(tmp_path)
    with pytest.raises(PlanError, match=r"allow: 'machine.hots' is not a field \(did you mean 'machine.host'\?\)"):
        run_experiment_in(tmp_path, {}, resume=True, allow=["machine.hots"])
    with pytest.raises(PlanError, match=r"allow: \['machine.host'\] means nothing without resume; leave it out"):
        run_experiment_in(tmp_path, SMALL, allow=["machine.host"])


def test_what_was_allowed_is_told_wherever_the_runs_are_read(tmp_path: Path) -> None:
    """The report says it among what the numbers cannot say, a comparison among its notes."""
    allowed = [{"field": "machine.host", "then": "a", "now": "b", "session": 1}]
    mixed = made_up_folder(tmp_path / "mixed", made_up_runs(1), allowed=allowed)
    plain = made_up_folder(tmp_path / "plain", made_up_runs(2))
    assert any("resumed although machine.host differed" in line for line in caveats(read_folder(mixed), []))
    notes = compare_folders(plain, mixed).notes
    assert "NEW: resumed although machine.host differed, as was allowed; its runs are of both." in notes


@pytest.mark.slow
@pytest.mark.usefixtures("instant")
@pytest.mark.parametrize("name", ["-x", "--help", "a b", "it's $HOME", "~", "~/x", "a\nb", "größe", "\udcff"])
def test_the_command_to_go_on_can_be_pasted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the folder is called: pasted into a shell as it was printed, the command goes on in that folder."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExperimentInterrupted) as caught:
        run_experiment_in(f"./{name}", SMALL, interrupt_at(1))
    assert not (tmp_path / name / "summary_stats.csv").is_symlink()
    (line,) = str(caught.value).splitlines()[-1:]
    words = pasted(line.partition("go on with: ")[2])
    assert words[0] == "significand"
    assert main(words[1:]) == DONE
    assert manifest(tmp_path / name)["state"] == "finished"
    capsys.readouterr()


@pytest.mark.parametrize("name", ["-x", "~/x"])
def test_the_command_to_begin_an_empty_folder_can_be_pasted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of the command that a folder without runs asks for."""
    monkeypatch.chdir(tmp_path)
    folder = made_up_folder(Path(name), made_up_runs(1))
    header = (folder / RAW_RUNS).read_text(encoding="utf-8").splitlines()[0]
    (folder / RAW_RUNS).write_text(header, encoding="utf-8")
    with pytest.raises(ValueError, match="has no runs yet") as caught:
        read_folder(folder)
    words = pasted(str(caught.value).split("`")[1])
    assert Path(words[-1].removeprefix("--output-dir=")).resolve() == folder.resolve()
    assert words[-1][len("--output-dir=")] in "./"


def pasted(command: str) -> list[str]:
    """Return the words that a shell makes of a command."""
    told = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout  # noqa: S607
    return [os.fsdecode(word) for word in told.split(b"\0")[:-1]]


@pytest.mark.usefixtures("instant")
def test_a_flag_with_a_tilde_means_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell leaves it alone in --output-dir=~/x, --config=~/x and --data=~/x."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{x},{x % 3},{x % 2}\n" for x in range(40))
    (tmp_path / "a.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "plan.toml").write_text('output_dir = "~/planned"\nrepeats = 2\n', encoding="utf-8")
    words = ["run", "--data=~/a.csv", "--layer-sizes=2-4-2", "--activations=relu,softmax", "--batch-size=8"]
    assert main([*words, "--config=~/plan.toml", "-q"]) == DONE
    assert main([*words, "--output-dir=~/given", "--repeats=2", "-q"]) == DONE
    for name in ("planned", "given"):
        plan: Any = manifest(tmp_path / name)["experiment"]
        assert plan["data"] == f"{tmp_path}/a.csv"
    assert not (tmp_path / "~").exists()


@pytest.mark.usefixtures("instant")
@pytest.mark.parametrize(
    ("output_dir", "told"),
    [
        ("~nobody-at-all/x", "output_dir: the home folder '~nobody-at-all' is not known; give the whole path"),
        ("a\0b", r"output_dir: 'a\\x00b' has a null character in it"),
        ("", "output_dir: '' names nothing; give a path, or '.' for the working directory"),
        (5, "output_dir: 5 is not a path; give a text or a pathlib.Path"),
    ],
)
def test_a_folder_that_cannot_be_is_one_line(output_dir: Any, told: str) -> None:  # noqa: ANN401 - that is the point
    """No folder is made by mistake, and nothing ends in a traceback."""
    with pytest.raises(PlanError, match=told) as caught:
        run_experiment_in(output_dir, SMALL)
    assert len(caught.value.problems) == 1


@pytest.mark.usefixtures("instant")
def test_a_config_that_is_no_file_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, with one message in it."""
    assert main([*QUICK, f"--config={tmp_path}"]) == BAD_INPUT
    assert capsys.readouterr().err == (
        f"significand: config: '{tmp_path}' is not a file; give the path of a TOML file\n"
    )


@pytest.mark.usefixtures("instant")
def test_a_config_of_a_megabyte_of_unknown_fields_is_a_few_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seventy thousand of them are found out in seconds, and told shortly."""
    (tmp_path / "plan.toml").write_text("".join(f"field{n} = 1\n" for n in range(60_000)), encoding="utf-8")
    assert main(["run", f"--config={tmp_path / 'plan.toml'}"]) == BAD_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "significand: 59990 more names are not fields of an experiment; correct these first"
    assert json.dumps(lines).count("known: ") == 10


def test_an_engine_that_is_not_installed_is_told_and_the_others_go_on(
    tmp_path: Path, instant: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its setups are left out with the reason and the extra, also once it is there; a run that needs it wants it."""
    words = [*QUICK, "--engine", "onnxruntime,openvino", "--on-noise", "mark"]
    with instant.context() as gone:
        gone.setattr("significand.engines.base.find_spec", lambda _: None)
        assert main([*words, "--output-dir", str(tmp_path / "out")]) == DONE
        told = " ".join(capsys.readouterr().out.split())
        assert "'openvino' is not installed; pip install 'significand[openvino]': 2 setups left out." in told
        assert main(["table", str(tmp_path / "out"), "--markdown"]) == DONE
        measured = " ".join(capsys.readouterr().out.split()).partition("measured with")[2]
        assert "onnxruntime" in measured
        assert "openvino" not in measured
    folder = read_folder(tmp_path / "out")
    assert {run["engine"] for run in folder.rows} == {"onnxruntime"}
    assert len(manifest(tmp_path / "out")["experiment"]["refused"]) == 2
    assert main(["run", "--resume", "--output-dir", str(tmp_path / "out")]) == DONE
    assert main([*words, "--output-dir", str(tmp_path / "both")]) == DONE
    capsys.readouterr()
    instant.setattr("significand.engines.base.find_spec", lambda _: None)
    assert main(["run", "--resume", "--output-dir", str(tmp_path / "both")]) == BAD_INPUT
    assert "engine: 'openvino' is not installed; pip install 'significand[openvino]'" in capsys.readouterr().err


def test_a_folder_from_before_a_version_was_recorded_is_gone_on_with(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """What is optional and was not recorded then is not known, and no difference."""
    versions: Any = describe_machine()["versions"]
    elsewhere(instant, versions={name: versions[name] for name in PACKAGES})
    interrupted(tmp_path)
    elsewhere(instant, versions=versions | {"openvino": "2026.1"})
    run_experiment_in(tmp_path, {}, resume=True)
    assert manifest(tmp_path)["state"] == "finished"
