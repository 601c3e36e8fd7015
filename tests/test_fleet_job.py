"""An experiment on several machines: planned once, refused before anything is measured, resumed, and written whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SMALL
from made_up_fleet import MadeUpScheduler, made_up_block
from significand.fleet_job import fleet_of, run_fleet_in
from significand.job import ExperimentInterrupted, ResultsLostError
from significand.meters.machine import describe_machine
from significand.plan.problems import PlanError
from significand.results.contents import FLEET_FILES
from significand.results.fleet_state import read_fleet_state
from significand.results.lock import FolderLock
from significand.results.store import BLOCK_DATA, BUNDLE
from significand.runner.bundle import Bundle
from significand.runner.fleet_options import FleetOptions, kind_of
from significand.runner.places import HostFacts, PlaceError

ON = "dask://made-up:1"
FIELDS = {**SMALL, "threads": 1}
HERE = describe_machine()

Answer = Callable[[str, int], "bytes | str | None"]


class Made:
    """Makes a scheduler for the experiment in a bundle, and keeps it to look at."""

    def __init__(self, *hosts: str | HostFacts, answer: Answer | None = None, **more: Any) -> None:  # noqa: ANN401
        self._hosts, self._answer, self._more = hosts, answer, more
        self.place: MadeUpScheduler

    def __call__(self, path: Path) -> MadeUpScheduler:
        """Make it."""
        bundle = Bundle(path)

        def block(host: str, repeat: int) -> "bytes | str | None":
            return made_up_block(bundle.experiment, repeat, host, facts=bundle.facts)

        hosts = [one if isinstance(one, HostFacts) else HostFacts(one, {**HERE, "host": one}) for one in self._hosts]
        self.place = MadeUpScheduler(bundle.experiment, hosts, self._answer or block, **self._more)
        return self.place


def run(folder: Path, made: Made, fields: dict[str, object] | None = None, on: str = ON, **more: Any) -> Any:  # noqa: ANN401
    """Run a small experiment on made-up machines."""
    options = {name: more.pop(name) for name in ("hosts", "slurm", "require_fit", "allow_mixed") if name in more}
    given = FIELDS if fields is None else fields
    return run_fleet_in(folder, given, FleetOptions(on, **options), new_place=made, **more)


def blocks_in(folder: Path) -> dict[str, int]:
    """Return how many runs each machine's folder has."""
    return {
        one.name: len((one / "journal.jsonl").read_text().splitlines()) - 1
        for one in sorted((folder / "hosts").iterdir())
    }


def test_every_machine_has_an_ordinary_folder(tmp_path: Path) -> None:
    """Blocks of all machines are there, and fleet.json says which ran where and how it ended."""
    outcome = run(tmp_path, Made("a", "b"))
    assert (outcome.missing, outcome.failed_runs) == ([], 0)
    assert blocks_in(tmp_path) == {"a": 4, "b": 4}
    assert {path.name for path in tmp_path.iterdir()} == FLEET_FILES.keys() - {BLOCK_DATA}
    state = read_fleet_state(tmp_path)
    assert (state.state, state.hosts, state.place) == ("finished", "each", ON)
    assert {(one.host, one.repeat, one.state) for one in state.blocks} == {
        (host, repeat, "finished") for host in "ab" for repeat in range(2)
    }
    manifest = json.loads((tmp_path / "hosts" / "a" / "manifest.json").read_text())
    assert manifest["state"] == "finished"
    assert manifest["experiment_hash"] == state.facts["experiment_hash"]


def test_earlier_results_are_put_aside(tmp_path: Path) -> None:
    """A new experiment in the same folder moves the whole of the earlier one to its history."""
    run(tmp_path, Made("a"))
    outcome = run(tmp_path, Made("b"), {**FIELDS, "repeats": 3})
    assert outcome.archive is not None
    assert (outcome.archive / "hosts" / "a" / "journal.jsonl").exists()
    assert blocks_in(tmp_path) == {"b": 6}


@pytest.mark.parametrize("given", [{}, FIELDS])
def test_an_interrupt_keeps_blocks_and_the_rest_follows(tmp_path: Path, given: dict[str, object]) -> None:
    """Ctrl-C ends what runs elsewhere, keeps whole blocks, and says how to go on; nothing is measured again."""
    made = Made("a", "b", events=[[], [], [KeyboardInterrupt()]], together=1)
    with pytest.raises(ExperimentInterrupted, match="4 of 8 runs finished and kept"):
        run(tmp_path, made)
    assert made.place.cancelled
    assert read_fleet_state(tmp_path).state == "interrupted"
    again = Made("a", "b")
    assert run(tmp_path, again, given, resume=True).missing == []
    assert len(again.place.started) == 2
    assert blocks_in(tmp_path) == {"a": 4, "b": 4}
    states = [block.state for block in read_fleet_state(tmp_path).blocks]
    assert (states.count("finished"), states.count("running")) == (4, 0)


def test_a_machine_that_is_not_there_any_more_is_named(tmp_path: Path) -> None:
    """What a machine of before lacks is said where it is not there when the experiment goes on."""
    with pytest.raises(ExperimentInterrupted):
        run(tmp_path, Made("a", "b", events=[[], [], [], [KeyboardInterrupt()]], together=1))
    outcome = run(tmp_path, Made("a"), {}, resume=True)
    assert list(outcome.missing) == ["b lacks 1 of 2 repeats: it is not there now"]
    assert read_fleet_state(tmp_path).state == "failed"


def test_another_experiment_does_not_go_on(tmp_path: Path) -> None:
    """What is given again with resume must be the same, or is named with both values."""
    run(tmp_path, Made("a"))
    with pytest.raises(PlanError, match=r"resume: experiment\.epochs: 2 then, 3 now"):
        run(tmp_path, Made("a"), {"epochs": 3}, resume=True)
    with pytest.raises(PlanError, match="resume: hosts: 'each' then, 'share' now"):
        run(tmp_path, Made("a"), {}, resume=True, hosts="share")


def test_a_scheduler_that_is_gone_costs_no_block(tmp_path: Path) -> None:
    """Where the scheduler goes, finished blocks are kept, and the error says how to go on."""
    made = Made("a", events=[[], [PlaceError("the scheduler is gone")]], together=1)
    with pytest.raises(PlaceError, match=r"the scheduler is gone; finished blocks are kept in .* --resume"):
        run(tmp_path, made)
    assert blocks_in(tmp_path) == {"a": 2}
    assert read_fleet_state(tmp_path).state == "failed"
    assert run(tmp_path, Made("a"), {}, resume=True).missing == []


def test_a_full_disk_here_costs_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a block cannot be kept, those before are, and the error says what to do."""

    def full(folder: Path) -> None:
        if (folder / "a" / "details" / "r001.zip").exists():
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("significand.results.hosts._bring_to_disk", full)
        with pytest.raises(ResultsLostError, match="No space left on device; make room, and finished blocks are kept"):
            run(tmp_path, Made("a", together=1))
    assert run(tmp_path, Made("a"), {}, resume=True).missing == []
    assert blocks_in(tmp_path) == {"a": 4}


def test_what_a_killed_program_has_left_is_put_right(tmp_path: Path) -> None:
    """After a kill, fleet.json says of every block what the machines' folders hold."""
    run(tmp_path, Made("a"))
    path = tmp_path / "fleet.json"
    told = json.loads(path.read_text())
    told["state"] = "running"
    told["blocks"] = [{"repeat": 0, "host": "a", "attempt": 1, "state": "running"},
                      {"repeat": 1, "host": "b", "attempt": 1, "state": "running"}]  # fmt: skip
    path.write_text(json.dumps(told))
    run(tmp_path, Made("a"), {}, resume=True)
    found = [(one.host, one.repeat, one.state) for one in read_fleet_state(tmp_path).blocks]
    assert found == [("a", 0, "finished"), ("b", 1, "lost"), ("a", 1, "finished")]


@pytest.mark.parametrize("left", ["nothing", "waiting", "a place in a queue"])
def test_whatever_fleet_json_said_last_finished_blocks_are_in_it(tmp_path: Path, left: str) -> None:
    """A program may be killed before the file says that a block has begun, or on which machine Slurm let it run."""
    run(tmp_path, Made("a"), hosts="share")
    path = tmp_path / "fleet.json"
    told = json.loads(path.read_text())
    host = "job-1" if left == "a place in a queue" else "a"
    told["blocks"] = [{"repeat": repeat, "host": host, "attempt": 1, "state": "waiting"} for repeat in (0, 1)]
    told["blocks"] = [] if left == "nothing" else told["blocks"]
    path.write_text(json.dumps(told | {"state": "running"}))
    run(tmp_path, Made("a"), {}, resume=True)
    blocks = read_fleet_state(tmp_path).blocks
    assert [(one.host, one.repeat, one.state, one.reason) for one in blocks] == [
        ("a", 0, "finished", ""),
        ("a", 1, "finished", ""),
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError(28, "No space left on device"), ResultsLostError), (KeyboardInterrupt(), ExperimentInterrupted)],
)
@pytest.mark.parametrize("where", ["significand.fleet_job.write_views", "significand.fleet_job.FleetFile.write"])
def test_what_goes_wrong_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException, told: type[Exception]
) -> None:
    """A full disk or Ctrl-C while summaries are written is no success; resume writes them."""

    def fails(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(where, fails)
        with pytest.raises(told, match="--resume"):
            run(tmp_path, Made("a"))
    assert run(tmp_path, Made("a"), {}, resume=True).missing == []
    assert read_fleet_state(tmp_path).state == "finished"
    assert (tmp_path / "report.html").exists()


def test_an_experiment_of_this_machine_does_not_go_on_elsewhere(tmp_path: Path) -> None:
    """With resume it is not begun anew on other machines, and all is as it was."""
    (tmp_path / "journal.jsonl").write_text("{}\n")
    with pytest.raises(PlanError, match="holds an experiment of this machine; leave --on out"):
        run(tmp_path, Made("a"), resume=True)
    assert [one.name for one in tmp_path.iterdir()] == ["journal.jsonl"]


def other(**changes: object) -> HostFacts:
    """Return a machine that differs from this one."""
    return HostFacts("other", {**HERE, "host": "other", **changes})


@pytest.mark.parametrize(
    ("machine", "more", "told"),
    [
        (other(python="3.1"), {}, "on: machine.python: '{python}' in this machine, '3.1' in other; install the same"),
        (
            other(versions={**HERE["versions"], "significand": "9"}),  # type: ignore[dict-item]
            {},
            "machine.versions.significand: '{significand}' in this machine, '9' in other; install the same there, or",
        ),
        (other(cpu="Other 1"), {"hosts": "share"}, "hosts: machines of different processors would share, "),
        (HostFacts("b", {**HERE, "host": "b"}, ("load: busy",)), {"require_fit": True}, "on: b is unfit: load: busy; "),
    ],
)  # fmt: skip
def test_unequal_machines_are_refused_before_anything(
    tmp_path: Path, machine: HostFacts, more: dict[str, Any], told: str
) -> None:
    """Another version, processor, or an unfit machine is named with its values; nothing is measured or written."""
    made = Made("a", machine)
    with pytest.raises(PlanError) as refused:
        run(tmp_path / "f", made, **more)
    (line,) = refused.value.problems
    versions: Any = HERE["versions"]
    assert told.format(python=HERE["python"], significand=versions["significand"]) in line
    assert made.place.started == []
    assert not (tmp_path / "f" / "fleet.json").exists()


def test_an_unfit_machine_is_marked(tmp_path: Path) -> None:
    """Without --require-fit, what the doctor finds bad stands beside the machine."""
    outcome = run(tmp_path, Made(HostFacts("a", {**HERE, "host": "a"}, ("load: busy",), 3600.0)))
    assert read_fleet_state(tmp_path).machines[0].unfit == ("load: busy",)
    assert outcome.notes == ["a: its clock is 3600 s ahead: the times here are the submitting machine's"]


@pytest.mark.parametrize(
    ("on", "more", "told"),
    [
        ("dusk", {}, "on: 'dusk' is no place; give dask://HOST:PORT, slurm, or hand"),
        ("dask://", {}, "on: 'dask://' is no place"),
        (ON, {"hosts": "al"}, "hosts: 'al' is neither each nor share"),
        (ON, {"slurm": "time=3"}, "slurm: 'time=3' means nothing without --on slurm; leave it out"),
    ],
)
def test_where_it_runs_is_checked_with_all_else(tmp_path: Path, on: str, more: dict[str, Any], told: str) -> None:
    """A mistake in where blocks run is told together with those of the experiment."""
    with pytest.raises(PlanError) as refused:
        run(tmp_path, Made("a"), {**FIELDS, "epochs": -1}, on, **more)
    first, second = refused.value.problems
    assert first.startswith(told)
    assert second.startswith("epochs: ")


def test_two_environments_are_measured_here_alone(tmp_path: Path) -> None:
    """Another environment is one of this machine."""
    with pytest.raises(PlanError, match="against: two environments take turns on one machine; leave it out with --on"):
        run(tmp_path, Made("a"), {**FIELDS, "against": "venv"})


def test_repeats_are_not_awaited_elsewhere(tmp_path: Path) -> None:
    """`until` looks at all runs after each repeat, which machines do on their own."""
    with pytest.raises(PlanError, match="until: repeats on several machines are counted"):
        run(tmp_path, Made("a"), {**FIELDS, "until": "5%", "max_repeats": 10})


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its extra a place says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(PlanError, match=r"pip install 'significand\[dask\]'"):
        run(tmp_path, Made("a"))
    with pytest.raises(PlanError, match=r"pip install 'significand\[slurm\]'"):
        run(tmp_path, Made("a"), on="slurm")


@pytest.mark.parametrize(
    ("on", "kind"),
    [("dask://a:1", "dask://"), ("tls://a:1", "dask://"), ("slurm", "slurm"), ("hand", "hand"), ("http://a", "")],
)
def test_places_are_told_apart(on: str, kind: str) -> None:
    """A place is known by its word, or the scheme of its address."""
    assert kind_of(on) == kind


def test_data_that_do_not_travel_are_put_into_the_locked_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large data are written with the experiment's beginning, not before, and go to the history with it."""
    monkeypatch.setattr("significand.runner.bundle.MOST_BYTES", 1000)
    x = np.random.default_rng(0).normal(size=(500, 3))
    np.savez(tmp_path / "large.npz", X=x, y=(x[:, 0] > 0).astype(int))
    fields: dict[str, object] = {"data": str(tmp_path / "large.npz"), "hidden": "none", "threads": 1, "repeats": 1}
    folder = tmp_path / "f"
    with pytest.raises(PlanError, match="is unfit"):
        run(folder, Made(HostFacts("a", {**HERE, "host": "a"}, ("load: busy",))), fields, require_fit=True)
    assert not folder.exists()
    run(folder, Made("a"), fields)
    Bundle(folder / BUNDLE).unpack(tmp_path / "there")
    assert (folder / BLOCK_DATA / "material" / "data.npz").exists()
    outcome = run(folder, Made("a"))
    assert (outcome.archive / BLOCK_DATA / "material" / "data.npz").exists()
    assert not (folder / BLOCK_DATA).exists()


def test_a_damaged_folder_does_not_go_on_here(tmp_path: Path) -> None:
    """Where fleet.json is damaged, --resume without --on does not take the experiment for one of this machine."""
    run(tmp_path, Made("a"))
    (tmp_path / "fleet.json").write_text("{")
    with pytest.raises(PlanError, match=r"resume: .*fleet\.json' is damaged; .* significand merge NEW"):
        fleet_of(tmp_path)


def test_when_a_block_began_is_not_made_up(tmp_path: Path) -> None:
    """Where nobody saw a block begin that was in a queue, its machine's manifest does not say when."""
    run(tmp_path, Made("a", queues=True))
    manifest = json.loads((tmp_path / "hosts" / "a" / "manifest.json").read_text())
    assert "started_utc" not in manifest
    assert manifest["ended_utc"]


def test_a_queue_is_told_before_the_first_machine_is_known(tmp_path: Path) -> None:
    """A first machine may be hours in coming: the first that is told says what is waited for; else nothing is."""
    told: dict[bool, list[str]] = {False: [], True: []}
    for queues, notes in told.items():
        made = Made("a", queues=queues)
        run(tmp_path / str(queues), made, on_progress=lambda progress, notes=notes: notes.append(progress.note))
    assert "queue" in told[True][0]
    assert "queue" not in told[False][0]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """Two programs do not give out blocks for one folder."""
    lock = FolderLock(tmp_path)
    with pytest.raises(PlanError, match="is in use by process"):
        run(tmp_path, Made("a"))
    lock.release()


def test_progress_tells_how_far_each_machine_is(tmp_path: Path) -> None:
    """While blocks run, it is told how many of each machine are done."""
    notes: list[str] = []
    run(tmp_path, Made("a", "b", together=1), on_progress=lambda progress: notes.append(progress.note))
    assert notes[0] == "a 0 of 2, b 0 of 2"
    assert notes[-1] == "a 2 of 2, b 2 of 2"
