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
from significand.runner.slurm_node import run_there
from significand.runner.slurm_place import FOLDER, SlurmPlace


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
    with pytest.raises(PlanError, match=r"sbatch and .*srun and .* submit where Slurm's commands are"):
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


FAILED = "sbatch: error: Batch job submission failed"
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
"""As Slurm 22.05 has it."""


def problems(made: SlurmPlace) -> list[str]:
    """Return what is said against a place before anything is submitted."""
    with pytest.raises(PlanError) as refused:
        made.__enter__()
    return list(refused.value.problems)


def place(tmp_path: Path, wishes: str = "jobs=2", *, each: bool = False, only_fit: bool = False) -> SlurmPlace:
    """Return a place for the experiment in a folder."""
    return SlurmPlace(wishes, tmp_path / "bundle.zip", tmp_path / "f", (), each=each, only_fit=only_fit)


def events_of(place: SlurmPlace, count: int = 1) -> list[Event]:
    """Return the next events by job, however often one has to look: which of two jobs is seen first is not promised."""
    found: list[Event] = []
    deadline = time.monotonic() + 20
    while len(found) < count and time.monotonic() < deadline:
        found += place.wait(1)
    return sorted(found, key=lambda event: event.host)


def test_all_that_slurm_does_not_know_is_said(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """A partition that Slurm does not know, and `each` without a list of nodes, are refused; nothing is made."""
    slurm.command("sinfo", "echo bench; echo debug")
    first, second = problems(place(tmp_path, "partition=bensh", each=True))
    assert first == "slurm: partition: 'bensh' is not known here (did you mean 'bench'?); give one of bench, debug"
    assert "give nodelist=n[1-4], or --hosts share" in second
    slurm.command("sinfo", "echo 'error: no route' >&2; exit 1")
    silent, second = problems(place(tmp_path, "", each=True))
    assert silent.startswith("on: sinfo failed: error: no route; check that slurmctld runs")
    assert "give nodelist=n[1-4]" in second
    assert not (tmp_path / "f").exists()


def test_wishes_that_mean_nothing_beside_hosts_are_refused(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """A list of nodes where Slurm chooses, and a number of jobs where the list says it, are refused with the rest."""
    partition, nodelist = problems(place(tmp_path, "partition=x,nodelist=n[1-4],jobs=2"))
    assert partition.startswith("slurm: partition: 'x' is not known here")
    assert nodelist.startswith("slurm: nodelist: with --hosts share Slurm chooses the nodes")
    (jobs,) = problems(place(tmp_path, "nodelist=n1,jobs=2", each=True))
    assert jobs.startswith("slurm: jobs: with --hosts each every node has one job at a time; leave jobs out")
    assert slurm.cancelled == []


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'Invalid hostlist: n[a' >&2; exit 1", "scontrol failed: Invalid hostlist: n[a"),
        ("echo 'Invalid hostlist: n[a' >&2", "scontrol reads '' there"),  # as Slurm 22.05 has it
        ("echo 'n]'", "scontrol reads 'n]' there"),
    ],
)
def test_a_list_of_nodes_that_slurm_cannot_read_is_said(
    tmp_path: Path, slurm: MadeUpSlurm, script: str, told: str
) -> None:
    """What Slurm makes of a list with a slip is no list of nodes, and is refused, whether or not Slurm complains."""
    slurm.command("scontrol", script)
    (nodelist,) = problems(place(tmp_path, "nodelist=n[a", each=True))
    assert nodelist == f"slurm: nodelist: 'n[a' cannot be read ({told}); give names as n[1-4],m7"


@pytest.mark.usefixtures("slurm")
def test_what_cannot_be_written_at_the_beginning_is_said(tmp_path: Path) -> None:
    """Where what jobs need cannot be written into the folder, that is a line, and nothing stays."""
    (tmp_path / "bundle.zip").unlink()
    (tmp_path / "bundle.zip").symlink_to("/dev/full/none")
    with pytest.raises(PlanError, match="cannot be written"), place(tmp_path) as made:
        made.hosts()
    assert not (tmp_path / "f").exists()


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


@pytest.mark.parametrize(
    "told",
    [
        f"{FAILED}: Unable to contact slurm controller (connect failure)",
        f"{FAILED}: Socket timed out on send/recv operation",
        f"sbatch: error: AssocMaxSubmitJobLimit\n{FAILED}: {POLICY}",
        f"{FAILED}: {POLICY}",
        f"sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n{FAILED}: Resource busy",
    ],
)
def test_a_job_that_slurm_cannot_take_now_is_kept(
    tmp_path: Path, slurm: MadeUpSlurm, capfd: pytest.CaptureFixture[str], told: str
) -> None:
    """Where Slurm is away or full, a job is submitted again at each look, and nothing is lost or printed."""
    with place(tmp_path) as made:
        made.hosts()
        slurm.refuse(told)
        made.start("job-1", 0)
        made.start("job-2", 1)
        assert [event for _ in range(3) for event in made.wait(1)] == []
        slurm.refuse("")
        slurm.answer = lambda arguments: b"PK %d" % arguments[1]
        assert events_of(made, 2) == [Ended("job-1", 0, b"PK 0"), Ended("job-2", 1, b"PK 1")]
    assert capfd.readouterr().err == ""


def test_what_slurm_does_not_take_for_minutes_is_told(
    tmp_path: Path, slurm: MadeUpSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a job of ours is there Slurm may be full for as long as it likes; else it is told after some minutes."""
    with place(tmp_path) as made:
        made.hosts()
        slurm.queue("2 RUNNING n1")
        made.start("job-1", 0)
        assert events_of(made) == [Began("job-1", 0)]
        monkeypatch.setattr("significand.runner.slurm_place.LOST_S", 0.0)
        slurm.refuse("sbatch: error: QOSMaxSubmitJobPerUserLimit")
        made.start("job-2", 1)
        assert [event for _ in range(3) for event in made.wait(1)] == []
        slurm.result(2).write_bytes(b"PK a block")
        told = "slurm: it has taken no job for 0 s (sbatch: error: QOSMaxSubmitJobPerUserLimit)"
        measured = Ended("job-1", 0, b"PK a block", machine="n1")
        assert events_of(made, 2) == [measured, Ended("job-2", 1, reason=told)]
        assert made.wait(1) == []


@pytest.mark.parametrize("told", [f"sbatch: error: AssocMaxWallDurationPerJobLimit\n{FAILED}: {POLICY}", "no account"])
def test_what_slurm_will_never_take_is_told_at_once(tmp_path: Path, slurm: MadeUpSlurm, told: str) -> None:
    """A refusal that will not pass is told at once, and before anything is measured it is the end."""
    slurm.refuse(told)
    with pytest.raises(PlanError, match=r"slurm: the job was refused \((sbatch: error: Assoc|no acc)"):  # noqa: SIM117
        with place(tmp_path) as made:
            made.hosts()


def test_a_job_of_which_sbatch_had_no_answer_is_ended_before_it_is_submitted_again(
    tmp_path: Path, slurm: MadeUpSlurm
) -> None:
    """Slurm may have taken a job though sbatch heard nothing of it; two must not measure the same block."""
    with place(tmp_path) as made:
        made.hosts()
        before = len(slurm.cancelled)
        slurm.refuse("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
        made.start("job-1", 0)
        slurm.queue("1 COMPLETED n1", "9 RUNNING n1")
        slurm.refuse("")
        made.wait(1)
        assert slurm.cancelled[before:] == ["9"]
        slurm.result(2).write_bytes(b"PK a block")
        assert events_of(made) == [Ended("job-1", 0, b"PK a block")]


@pytest.mark.parametrize("state", ["SIGNALING", "STOPPED", "RESIZING", "SUSPENDED", "REQUEUED", "STAGE_OUT", "ANEW"])
def test_a_job_whose_end_is_still_to_come_is_waited_for(
    tmp_path: Path, slurm: MadeUpSlurm, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Whatever Slurm calls a job that has not ended, it lives; the time that it may be unknown begins anew after it."""
    with place(tmp_path) as made:
        made.hosts()
        made.start("job-1", 0)
        made.wait(1)  # nobody knows it yet
        time.sleep(0.25)
        monkeypatch.setattr("significand.runner.slurm_place.GRACE_S", 60.0)
        slurm.queue(f"2 {state} n1")
        assert [event for _ in range(3) for event in made.wait(1)] == []
        monkeypatch.setattr("significand.runner.slurm_place.GRACE_S", 0.2)
        slurm.queue("2 COMPLETED n1")
        assert made.wait(1) == []
        assert isinstance(events_of(made)[0], Ended)


def test_a_job_that_slurm_does_not_know_is_ended_when_it_is_given_up(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """It may run for all that, on the node on which its block is then measured again."""
    with place(tmp_path) as made:
        made.hosts()
        made.start("job-1", 0)
        before = len(slurm.cancelled)
        assert isinstance(events_of(made)[0], Ended)
        assert slurm.cancelled[before:] == ["2"]


def test_jobs_that_could_not_be_ended_are_ended_by_the_next(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """Where Slurm does not answer at the end, nothing tells of its jobs any more, and the next ends them by name."""
    with place(tmp_path) as made:
        made.hosts()
        made.start("job-1", 0)
        slurm.command("scancel", "echo 'scancel: error: no controller' >&2; exit 1")
    assert not (tmp_path / "f").exists()
    (unanswered,) = problems(place(tmp_path))
    assert unanswered.startswith(
        "on: jobs that an earlier program has left may run still, and cannot be ended: scancel"
    )
    before = len(slurm.cancelled)
    slurm.command("scancel")
    with place(tmp_path):
        assert len(slurm.cancelled) == before + 1


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
    assert slurm.cancelled[1:] == ["2", slurm.cancelled[0]]  # the job that left nothing, and in the end all
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
    assert len(slurm.cancelled) == 1  # before its own jobs
    killed._lock.release()  # type: ignore[union-attr]  # as the kernel does when a process is killed
    with place(tmp_path):
        assert slurm.cancelled == 2 * [f"--user {getpass.getuser()} --name {name}"]
        assert [path.name for path in (tmp_path / "f" / FOLDER).iterdir()] == [".significand.lock"]
    assert not (tmp_path / "f" / FOLDER).exists()
    assert killed._name == name


def test_all_jobs_are_taken_back_in_one_call(tmp_path: Path, slurm: MadeUpSlurm) -> None:
    """To cancel ends every job of this experiment and no other, with one command."""
    with place(tmp_path) as made:
        made.hosts()
        for slot in ("job-1", "job-2"):
            made.start(slot, 0)
        before = len(slurm.cancelled)
        made.cancel()
        assert len(slurm.cancelled) == before + 1
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
