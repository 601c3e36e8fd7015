"""What Slurm is asked for is checked before a job is submitted. A real Slurm is started by benchmarks/slurm.py."""

import getpass
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_up_slurm import MadeUpSlurm
from significand.plan.problems import PlanError
from significand.runner.places import Began, Ended, Event, PlaceError
from significand.runner.slurm_commands import wishes_of
from significand.runner.slurm_place import FOLDER, SlurmPlace, run_there


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("", {}),
        ("partition=bench,time=30", {"partition": "bench", "time": "30"}),
        ("nodelist=n[1-3,7],jobs=2", {"nodelist": "n[1-3,7]", "jobs": "2"}),
        ("nodelist=a,b,c,time=5", {"nodelist": "a,b,c", "time": "5"}),
        ("constraint=zen4&fast, --qos=high", {"constraint": "zen4&fast", "qos": "high"}),
    ],
)
def test_wishes_are_read(text: str, wishes: dict[str, str]) -> None:
    """Names with values, commas between; a list of nodes may have commas, too."""
    assert wishes_of(text) == wishes


def test_all_that_is_wrong_is_said() -> None:
    """Every unknown name, missing value, and number that is none has a line."""
    with pytest.raises(PlanError) as refused:
        wishes_of("partitoin=x,time=soon,jobs=0,qos=")
    assert [line[:40] for line in refused.value.problems] == [
        "slurm: 'partitoin' cannot be asked for (",
        "slurm: qos has no value; give qos=...",
        "slurm: time: 'soon' is no number of minu",
        "slurm: jobs: '0' is no number of jobs at",
    ]


def test_without_slurm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Slurm's commands are not, the remedy is to submit where they are."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlanError, match="submit where Slurm's commands are"):
        SlurmPlace("", tmp_path / "b", tmp_path / "f", (), each=False).__enter__()


def command(folder: Path, name: str, script: str) -> None:
    """Put a command of Slurm's into a folder."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_unknown_partitions_and_missing_nodes_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that Slurm does not know, and `each` without a list of nodes, are refused; nothing is made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("sbatch", "squeue"):
        command(tmp_path, name, "exit 0")
    command(tmp_path, "sinfo", "echo bench; echo debug")
    with pytest.raises(PlanError) as refused:
        SlurmPlace("partition=bensh", tmp_path / "b", tmp_path / "f", (), each=True).__enter__()
    first, second = refused.value.problems
    assert first == "slurm: partition: 'bensh' is not known here (did you mean 'bench'?); give one of bench, debug"
    assert "give nodelist=n[1-4], or --hosts share" in second
    assert not (tmp_path / "f").exists()
    command(tmp_path, "sinfo", "echo 'error: no route' >&2; exit 1")
    with pytest.raises(PlanError, match="sinfo failed: error: no route; check that slurmctld runs"):
        SlurmPlace("", tmp_path / "b", tmp_path / "f", (), each=False).__enter__()


PROBED = json.dumps(
    {"machine": {"host": "n1", "cpu": "A"}, "checks": '[{"name": "load", "level": "bad", "found": "busy"}]'}
).encode()


def probed(arguments: tuple[Any, ...]) -> bytes | None:
    """Answer what a node is asked, and leave blocks to the test."""
    return PROBED.replace(b"n1", Path(arguments[-1]).stem.encode()) if arguments[-1].endswith(".json") else None


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeUpSlurm]:
    """Return a Slurm whose jobs say what their node is, and no more; nobody waits long for it."""
    pytest.importorskip("submitit")
    monkeypatch.setattr("significand.runner.slurm_place.LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("significand.runner.slurm_place.GRACE_S", 0.2)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bundle.zip").write_bytes(b"")
    with MadeUpSlurm(tmp_path / "bin", tmp_path / "f" / FOLDER / "jobs", probed) as made:
        yield made


def place(tmp_path: Path, wishes: str = "jobs=2", *, each: bool = False, only_fit: bool = False) -> SlurmPlace:
    """Return a place for the experiment in a folder."""
    return SlurmPlace(wishes, tmp_path / "bundle.zip", tmp_path / "f", (), each=each, only_fit=only_fit)


def events_of(place: SlurmPlace, count: int = 1) -> list[Event]:
    """Return the next events, however often one has to look."""
    found: list[Event] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        found += place.wait(1)
    return found


def test_nodes_say_what_they_are_and_measure(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """Each node is asked once, alone on it; a block goes to the node that is named, and what it leaves comes back."""
    with place(tmp_path, "nodelist=x,y", each=True) as made:
        first, second = made.hosts()
        assert (first.name, first.unfit, second.name) == ("facts-0", ("load: busy",), "facts-1")
        slurm.answer = lambda arguments: b"PK a block"  # noqa: ARG005 - whatever it is
        made.start("facts-1", 3)
        assert events_of(made) == [Ended("facts-1", 3, b"PK a block")]
    assert "#SBATCH --nodelist=y" in slurm.script(3)
    assert "#SBATCH --exclusive" in slurm.script(3)
    assert not (tmp_path / "f").exists()


def test_a_job_waits_begins_and_names_its_node(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """However long a job is in the queue, nothing is said of it; then that it began, and in the end on which node."""
    slurm.queue("1 PENDING", "2 PENDING")
    with place(tmp_path) as made:
        assert [host.name for host in made.hosts()] == ["job-1", "job-2"]
        made.start("job-1", 0)
        assert [event for _ in range(20) for event in made.wait(1)] == []
        slurm.queue("2 RUNNING n7")
        assert events_of(made) == [Began("job-1", 0)]
        slurm.queue("2 FAILED n7")
        (ended,) = events_of(made)
        told = "its job ended without a result: FAILED, NodeFail"
        assert ended == Ended("job-1", 0, reason=told, machine="n7")
        made.avoid("n7")
        made.start("job-1", 0)
    assert "--exclude" not in slurm.script(2)
    assert "#SBATCH --exclude=n7" in slurm.script(3)


def test_a_job_that_is_refused_meanwhile_is_lost(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """What sbatch refuses while blocks are measured is told as any block that is lost, once."""
    with place(tmp_path) as made:
        made.hosts()
        slurm.refuse()
        made.start("job-1", 0)
        (ended,) = made.wait(1)
        assert isinstance(ended, Ended)
        assert (ended.host, ended.repeat) == ("job-1", 0)
        assert ended.reason.startswith("slurm: the job was refused (sbatch: error: invalid account")
        assert made.wait(1) == []


def test_a_result_that_shows_late_is_taken(tmp_path: Path, slurm: MadeUpSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that machines share may show a file only after the job has ended."""
    monkeypatch.setattr("significand.runner.slurm_place.GRACE_S", 60.0)
    with place(tmp_path) as made:
        made.hosts()
        made.start("job-1", 0)
        slurm.queue("2 COMPLETED n1")
        assert [event for _ in range(5) for event in made.wait(1)] == []
        slurm.result(2).write_bytes(b"PK late")
        assert events_of(made) == [Ended("job-1", 0, b"PK late", machine="n1")]


def test_a_folder_that_nodes_do_not_share_is_said(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """A node that leaves no answer, and one that sees another folder, have a line each; no job stays."""
    slurm.answer = lambda arguments: b'{"checks": ""}' if arguments[-1].endswith("0.json") else None
    with pytest.raises(PlanError) as refused, place(tmp_path, "nodelist=x,y", each=True) as made:
        made.hosts()
    first, second = refused.value.problems
    told = f"left no answer in {str(tmp_path / 'f')!r}"
    assert first.startswith(f"on: x {told} (it sees another folder); give an output folder that the nodes share")
    assert second.startswith(f"on: y {told} (its job ended without a result: FAILED, NodeFail); give an output")
    assert len(slurm.cancelled) == 1
    assert not (tmp_path / "f").exists()


def test_what_a_killed_program_has_left_is_ended(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """Whoever goes on in the folder of a program that was killed first ends its jobs, by their name."""
    killed = place(tmp_path).__enter__()
    killed.hosts()
    killed.start("job-1", 0)
    (name,) = re.findall(r"#SBATCH --job-name=(\S+)", slurm.script(2))
    with pytest.raises(PlanError, match="in use by process"):
        place(tmp_path).__enter__()
    assert (tmp_path / "f" / FOLDER / "bundle.zip").exists()
    assert slurm.cancelled == []
    killed._lock.release()  # type: ignore[union-attr]  # as the kernel does when a process is killed
    with place(tmp_path):
        assert slurm.cancelled == [f"--user {getpass.getuser()} --name {name}"]
        assert [path.name for path in (tmp_path / "f" / FOLDER).iterdir()] == [".significand.lock"]
    assert not (tmp_path / "f" / FOLDER).exists()
    assert killed._name == name


def test_all_jobs_are_taken_back_in_one_call(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """To cancel ends every job of this experiment and no other, with one command."""
    with place(tmp_path) as made:
        made.hosts()
        for slot in ("job-1", "job-2"):
            made.start(slot, 0)
        made.cancel()
        assert len(slurm.cancelled) == 1
        assert made.wait(1) == []


def test_slurm_that_is_silent_is_waited_for(
    tmp_path: Path, slurm: MadeUpSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While squeue fails, jobs are not taken for ended; after some minutes the scheduler is gone."""
    with place(tmp_path) as made:
        made.hosts()
        made.start("job-1", 0)
        (slurm.folder / "queue").unlink()
        assert [event for _ in range(20) for event in made.wait(1)] == []
        monkeypatch.setattr("significand.runner.slurm_place.LOST_S", 0.0)
        with pytest.raises(PlaceError, match="squeue failed"):
            made.wait(1)
        slurm.queue("")


def test_where_only_fit_nodes_may_measure_each_asks_the_doctor_once(
    tmp_path: Path, slurm: MadeUpSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that Slurm chooses and the doctor finds unfit measures nothing; one that was fit isn't asked again."""
    given: list[tuple[Any, ...]] = []

    def answer(arguments: tuple[Any, ...]) -> bytes | None:
        given.append(arguments)
        if arguments[-1].endswith(".json"):
            return PROBED
        if len(given) > 2:
            return b"PK a block"
        # What the job does on its node, which cannot measure this bundle: the doctor's word is the made-up thing.
        monkeypatch.setenv("SLURMD_NODENAME", "n1")
        monkeypatch.setattr("significand.runner.task.doctor_here", lambda: json.loads(PROBED)["checks"])
        run_there(*arguments)
        return None

    slurm.answer = answer
    slurm.queue("2 RUNNING n1", "3 RUNNING n2", "4 RUNNING n2")
    with place(tmp_path, only_fit=True) as made:
        assert [host.unfit for host in made.hosts()] == [(), ()]
        measured = Ended("job-1", 0, b"PK a block", machine="n2")
        for expected in (Ended("job-1", 0, reason="load: busy", machine="n1", is_unfit=True), measured, measured):
            made.start("job-1", 0)
            while not isinstance(found := events_of(made)[0], Ended):
                pass
            assert found == expected
    assert [arguments[3] for arguments in given[1:]] == [(), (), ("n2",)]
