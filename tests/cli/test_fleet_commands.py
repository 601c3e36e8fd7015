"""The commands for several machines: what they print, their exit codes, and what they refuse."""

import json
from pathlib import Path

import pytest

from made_up_fleet import MadeUpFleet, MadeUpScheduler, fleet_experiment
from made_up_jobs import QUICK
from significand.cli import BAD_INPUT, DONE, main
from significand.results.fleet_state import BlockEntry, FleetFile
from significand.results.lock import FolderLock
from significand.runner.places import PlaceError


def fleet(folder: Path, *hosts: str, **more: object) -> MadeUpFleet:
    """Leave an experiment on machines in a folder."""
    experiment = fleet_experiment()
    made = MadeUpFleet(folder, MadeUpScheduler(experiment, hosts, **more), experiment)  # type: ignore[arg-type]
    made.run()
    made.state.state = "finished"
    FleetFile(folder, made.state).write()
    return made


@pytest.mark.usefixtures("instant")
def test_by_hand_from_the_plan_to_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run --on hand`, `block` on each machine, and `merge`: each says what comes next."""
    out = str(tmp_path / "fleet")
    assert main([*QUICK, "--threads", "1", "--on", "hand", "--output-dir", out]) == DONE
    told = capsys.readouterr().out
    assert f"On each machine: significand block {out}/experiment.zip 0 --output-dir HOST" in told
    folders = [str(tmp_path / host) for host in "ab"]
    for host, folder in zip("ab", folders, strict=True):
        monkeypatch.setenv("SIGNIFICAND_HOST", host)
        assert main(["block", out, "0-1", "--output-dir", folder]) == DONE
        assert f"Results of {host}: {folder}" in capsys.readouterr().out
    assert main(["merge", out, *folders]) == DONE
    assert capsys.readouterr().out.startswith("a: 2 blocks\nb: 2 blocks\n")
    assert main(["status", out]) == DONE
    assert "4 blocks finished; each on hand" in capsys.readouterr().out


@pytest.mark.usefixtures("instant")
def test_by_hand_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, nothing but JSON is printed: here, where the bundle is."""
    assert main([*QUICK, "--threads", "1", "--on", "hand", "--output-dir", str(tmp_path), "--json"]) == DONE
    assert json.loads(capsys.readouterr().out) == {"bundle": str(tmp_path / "experiment.zip"), "folder": str(tmp_path)}


def test_a_fleet_that_goes_on_has_no_single_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--require is refused with --resume, too, where it would be a gate that nobody closes."""
    fleet(tmp_path, "a")
    assert main(["run", "--resume", "--output-dir", str(tmp_path), "--require", "int8"]) == BAD_INPUT
    assert "require: 'int8' is of one machine's answer" in capsys.readouterr().err


def test_status_tells_who_does_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blocks by machine, what runs where since when, what was lost and why; nothing in the folder is touched."""
    made = fleet(tmp_path, "a", "b")
    made.state.state = "running"
    made.state.blocks += [
        BlockEntry(4, "a", 1, "running", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        BlockEntry(5, "b", 2, "lost", reason="the worker is gone"),
    ]
    made.state.machine("b").note = "its clock is 90 s behind"
    FleetFile(tmp_path, made.state).write()
    lock = FolderLock(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert main(["status", str(tmp_path)]) == DONE
    told = capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert "repeat 4, for" in told
    assert "repeat 5 on b, attempt 2: lost: the worker is gone" in told
    assert "b: its clock is 90 s behind" in told
    assert told.endswith("running\n")
    lock.release()
    assert main(["status", str(tmp_path)]) == DONE
    assert "does not run here any more; go on with: significand run --resume" in " ".join(
        capsys.readouterr().out.split()
    )


def test_status_as_json_is_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, what the file says is printed."""
    fleet(tmp_path, "a")
    assert main(["status", str(tmp_path), "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert [block["state"] for block in told["blocks"]] == ["finished"] * 4


def test_many_machines_are_not_all_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of very many machines the first have a line each, and how many more there are."""
    fleet(tmp_path, *(f"n{number:03d}" for number in range(50)))
    assert main(["status", str(tmp_path)]) == DONE
    assert "and 10 more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "{tmp}"], "has no fleet.json; give the folder of an experiment that runs on several machines"),
        (["block", "{tmp}/none.zip", "0", "--output-dir", "{tmp}/x"], "cannot be read (No such file or directory); "),
        (["merge", "{tmp}/all", "{tmp}/none"], "'{tmp}/none' cannot be put in: "),
        ([*QUICK, "--hosts", "each", "--output-dir", "{tmp}/x"], "hosts: 'each' means nothing without --on; say where"),
        ([*QUICK, "--require-fit", "--output-dir", "{tmp}/x"], "require_fit: it means nothing without --on; say where"),
        ([*QUICK, "--on", "desk://a:1", "--output-dir", "{tmp}/x"], "on: 'desk://a:1' is no place ("),
        ([*QUICK, "--on", "hand", "--keep-networks", "--output-dir", "{tmp}/x"], "keep_networks: networks stay on the"),
        ([*QUICK, "--on", "slurm", "--slurm", "jobs=x", "--output-dir", "{tmp}/x"], "slurm: jobs: 'x' is no number of"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    """Everything that cannot be is one line with the remedy, exit code 2, and nothing is written."""
    assert main([word.format(tmp=tmp_path) for word in words]) == BAD_INPUT
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("significand: ")]
    assert told.format(tmp=tmp_path) in line
    assert not (tmp_path / "x").exists()


def test_the_end_of_a_scheduler_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that goes while blocks run is one line and exit code 1."""

    def gone(*_: object, **__: object) -> None:
        raise PlaceError("the scheduler is gone")

    monkeypatch.setattr("significand.fleet_job.run_fleet_in", gone)
    assert main([*QUICK, "--on", "dask://a:1", "--output-dir", str(tmp_path)]) == 1
    assert "significand: the scheduler is gone" in capsys.readouterr().err
