"""Blocks on a real Dask scheduler with real workers, each of which believes to be a machine of its own."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme

from conftest import SMALL, eventually
from made_up_dask import RESOURCE, LocalDask, Wire
from significand.fleet_job import run_fleet_in
from significand.job import ExperimentInterrupted
from significand.plan.problems import PlanError
from significand.results.fleet_state import read_fleet_state
from significand.results.records import Progress
from significand.runner.dask_place import DaskPlace
from significand.runner.fleet_options import FleetOptions
from significand.runner.places import Ended, Event, HostFacts, PlaceError, Went
from significand.runner.task import NO_ANSWER, unfit_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

TINY: dict[str, object] = {**SMALL, "threads": 1, "epochs": 1, "repeats": 2}


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDask]:
    """Return a scheduler with the workers a, b and c."""
    with LocalDask(tmp_path_factory.mktemp("dask")) as local:
        for host in "abc":
            local.worker(host)
        local.wait_for(*"abc")
        yield local


def run(dask: LocalDask, folder: Path, fields: dict[str, object] | None = None, **more: Any) -> Any:  # noqa: ANN401
    """Run a tiny experiment on the workers, without the doctor, who takes its time."""
    options = FleetOptions(f"dask://{dask.address.removeprefix('tcp://')}", more.pop("hosts", None))
    new_place = lambda bundle: DaskPlace(dask.address, lambda: bundle, (), with_doctor=False)  # noqa: E731
    given = TINY if fields is None else fields
    return run_fleet_in(folder, given, options, new_place=new_place, **more)


def runs_of(folder: Path) -> dict[str, int]:
    """Return how many runs each machine's folder has."""
    found = sorted((folder / "hosts").iterdir())
    return {one.name: len((one / "journal.jsonl").read_text().splitlines()) - 1 for one in found}


def test_an_interrupt_ends_what_runs_elsewhere_and_the_rest_follows(dask: LocalDask, tmp_path: Path) -> None:
    """Ctrl-C at the submitter ends the blocks on the machines; finished ones are kept, and the others follow.

    In the end each of the three machines has measured all repeats, on all CPUs whatever its worker is bound to.
    """

    def press(progress: Progress) -> None:
        if progress.ended:
            raise KeyboardInterrupt

    with pytest.raises(ExperimentInterrupted, match="go on with: significand run --resume"):
        run(dask, tmp_path, on_progress=press)
    assert eventually(lambda: not any(dask.blocks_of(host) for host in "abc"), 20)
    assert 2 <= sum(runs_of(tmp_path).values()) < 12
    assert run(dask, tmp_path, {}, resume=True).missing == []
    assert dask.bundles == []
    assert runs_of(tmp_path) == {"a": 4, "b": 4, "c": 4}
    for host in "abc":
        manifest = json.loads((tmp_path / "hosts" / host / "manifest.json").read_text())
        assert (manifest["machine"]["host"], manifest["machine"]["available_cpus"]) == (host, psutil.cpu_count())
        assert (tmp_path / "hosts" / host / "raw_runs.csv").read_text().count("finished") == 4


def test_a_worker_killed_in_the_middle_of_a_block_costs_nothing(dask: LocalDask, tmp_path: Path) -> None:
    """SIGKILL in mid-block: nothing of the block outlives its worker, and another machine does it instead."""
    victims: list[psutil.Process] = []

    def kill_b(progress: Progress) -> None:
        del progress
        if not victims and eventually(lambda: bool(dask.blocks_of("b")), 30):
            (block,) = dask.blocks_of("b")
            eventually(lambda: len(block.children(recursive=True)) > 2, 30)
            victims.extend([block, *block.children(recursive=True)])
            dask.kill("b")

    watcher = threading.Thread(target=kill_b, args=(None,))
    watcher.start()
    try:
        outcome = run(dask, tmp_path, {**TINY, "repeats": 3}, hosts="share")
    finally:
        watcher.join()
        dask.worker("b")
        dask.wait_for("b")
    assert outcome.missing == []
    assert sum(runs_of(tmp_path).values()) == 6
    blocks = read_fleet_state(tmp_path).blocks
    (lost,) = [block for block in blocks if block.state == "lost"]
    assert (lost.host, lost.reason[:18]) == ("b", "the worker is gone")
    assert sorted(block.repeat for block in blocks if block.state == "finished") == [0, 1, 2]
    assert eventually(lambda: not any(_lives(one) for one in victims), 20)


def test_what_workers_lack_is_said_before_anything(dask: LocalDask, tmp_path: Path) -> None:
    """A worker without the resource, and two workers on one machine, are refused with the remedy."""
    dask.worker("d", ())
    dask.wait_for("d")
    try:
        with pytest.raises(PlanError, match=r"offers no resource 'significand'; start it as dask worker"):
            run(dask, tmp_path / "f")
    finally:
        dask.kill("d")
    _forget(dask, 3)
    dask.worker("e", environment={"SIGNIFICAND_HOST": "a"})
    dask.wait_for("e")
    try:
        with pytest.raises(PlanError, match="2 workers run on a, and would disturb each other; leave one there"):
            run(dask, tmp_path / "f")
    finally:
        dask.kill("e")
    _forget(dask, 3)
    assert not (tmp_path / "f").exists()


def test_workers_that_differ_or_cannot_answer_are_said(
    dask: LocalDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs, one without significand, and one with another version: a line each, before anything."""
    monkeypatch.setattr("significand.runner.dask_workers.ANSWER_S", 3.0)
    broken, older = tmp_path / "broken", tmp_path / "older"
    (broken / "significand").mkdir(parents=True)
    (broken / "significand" / "__init__.py").write_text("raise ImportError('it is broken')")
    (older / "significand-0.0.1.dist-info").mkdir(parents=True)
    (older / "significand-0.0.1.dist-info" / "METADATA").write_text("Name: significand\nVersion: 0.0.1\n")
    dask.worker("d", environment={"PYTHONPATH": str(broken)})
    dask.worker("e")
    dask.wait_for("d", "e")
    dask.stop("e")
    try:
        with pytest.raises(PlanError) as refused:
            run(dask, tmp_path / "f")
    finally:
        dask.kill("d")
        dask.kill("e")
    first, second = sorted(refused.value.problems, key=lambda line: "cannot import" not in line)
    assert "cannot import significand (ImportError('it is broken')); install the same version of it there" in first
    assert "does not say what it is (no answer within 3 s); restart it" in second
    _forget(dask, 3)
    dask.worker("f", environment={"PYTHONPATH": str(older)})
    dask.wait_for("f")
    try:
        with pytest.raises(
            PlanError, match=r"on: machine\.versions\.significand: '.*' in this machine, '0\.0\.1' in f; "
        ):
            run(dask, tmp_path / "f")
    finally:
        dask.kill("f")
    _forget(dask, 3)
    assert not (tmp_path / "f").exists()


def test_a_worker_that_hangs_at_its_first_block_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the experiment is sent to one that does not answer others measure; then it is gone, and waited for."""
    monkeypatch.setattr("significand.runner.dask_workers.ANSWER_S", 20.0)
    heard: list[Event] = []
    with LocalDask(tmp_path) as local:
        local.worker("a")
        local.worker("b")
        local.wait_for("a", "b")

        class Place(DaskPlace):
            def hosts(self) -> Sequence[HostFacts]:
                found = super().hosts()
                local.stop("b")
                return sorted(found, key=lambda host: host.name, reverse=True)  # b is given its block first

            def wait(self, timeout_s: float) -> Sequence[Event]:
                events = super().wait(timeout_s)
                heard.extend(events)
                return events

        new_place = lambda bundle: Place(local.address, lambda: bundle, (), with_doctor=False)  # noqa: E731
        fields = {**TINY, "repeats": 1}
        outcome = run_fleet_in(tmp_path / "f", fields, FleetOptions(local.address), new_place=new_place, patience_s=0)
    assert [(type(event), event.host) for event in heard] == [(Ended, "a"), (Went, "b")]
    assert "could not be sent there: no answer within 20 s" in str(heard[1])
    assert [line[:2] for line in outcome.missing] == ["b "]
    assert runs_of(tmp_path / "f")["a"] == 2


def test_a_worker_that_comes_back_goes_on(tmp_path: Path) -> None:
    """A worker that comes back at the same address takes blocks again, whatever else comes with it."""
    port = str(_free_port())
    (tmp_path / "broken" / "significand").mkdir(parents=True)
    (tmp_path / "broken" / "significand" / "__init__.py").write_text("raise ImportError('it is broken')")
    with LocalDask(tmp_path) as local:
        local.worker("a", ("--worker-port", port, *RESOURCE))
        local.wait_for("a")

        def power_failure() -> None:
            eventually(lambda: bool(local.blocks_of("a")), 30)
            local.kill("a")
            local.worker("stranger", environment={"PYTHONPATH": str(tmp_path / "broken")})
            local.worker("useless", (), {"SIGNIFICAND_HOST": "a"})
            local.wait_for("stranger", "useless")
            local.worker("a", ("--worker-port", port, *RESOURCE))

        watcher = threading.Thread(target=power_failure)
        watcher.start()
        outcome = run(local, tmp_path / "f", {**TINY, "repeats": 1}, patience_s=60)
        watcher.join()
    assert outcome.missing == []
    assert runs_of(tmp_path / "f") == {"a": 2}


def test_a_connection_that_is_lost_for_a_while_ends_nothing(
    dask: LocalDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the way to the scheduler is cut nobody is given a block; afterwards the blocks that ran are done again."""
    monkeypatch.setattr("significand.runner.dask_place.CONNECT_S", 1.0)
    monkeypatch.setattr("significand.runner.dask_place.ASK_AGAIN_S", 1.0)
    with Wire(dask.address) as wire:

        def cut() -> None:
            eventually(lambda: any(dask.blocks_of(host) for host in "abc"), 30)
            wire.cut()
            time.sleep(4)
            wire.mend()

        watcher = threading.Thread(target=cut)
        watcher.start()
        options = FleetOptions(f"dask://{dask.address.removeprefix('tcp://')}", "share")
        new_place = lambda bundle: DaskPlace(wire.address, lambda: bundle, (), with_doctor=False)  # noqa: E731
        outcome = run_fleet_in(tmp_path, TINY, options, new_place=new_place, patience_s=60)
        watcher.join()
    assert outcome.missing == []
    assert sum(runs_of(tmp_path).values()) == 4
    lost = [block.reason for block in read_fleet_state(tmp_path).blocks if block.state == "lost"]
    assert lost
    assert set(lost) == {"the connection to the scheduler was lost"}


def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nobody answers is refused with the remedy, and a scheduler without workers, too."""
    monkeypatch.setattr("significand.runner.dask_place.CONNECT_S", 1.0)
    with pytest.raises(PlanError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 .*; start one with `dask sch"):
        run_fleet_in(tmp_path / "f", TINY, FleetOptions("dask://127.0.0.1:9"))
    with (
        LocalDask(tmp_path) as alone,
        pytest.raises(PlanError, match="has no workers; start one on each machine: dask"),
    ):
        run(alone, tmp_path / "f")


def test_a_scheduler_that_dies_costs_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished blocks are kept, the workers' blocks end, and the error says how to go on, with a new scheduler."""
    monkeypatch.setattr("significand.runner.dask_place.GONE_S", 2.0)
    monkeypatch.setattr("significand.runner.dask_place.CONNECT_S", 2.0)
    with LocalDask(tmp_path) as local:
        local.worker("a")
        local.wait_for("a")
        begun: list[psutil.Process] = []
        watchers: list[threading.Thread] = []

        def kill() -> None:
            eventually(lambda: bool(local.blocks_of("a")), 20)
            begun.extend(local.blocks_of("a"))
            local.kill("scheduler")

        def look(progress: Progress) -> None:
            if progress.ended >= 2 and not watchers:
                watchers.append(threading.Thread(target=kill))
                watchers[0].start()

        with pytest.raises(PlaceError, match=r"is gone; finished blocks are kept in .*: go on with"):
            run(local, tmp_path / "f", TINY, on_progress=look)
        watchers[0].join()
        assert begun
        assert eventually(lambda: not any(_lives(one) for one in begun), 20)
    kept = runs_of(tmp_path / "f")["a"]
    assert kept >= 2
    (tmp_path / "again").mkdir()
    with LocalDask(tmp_path / "again") as local:
        local.worker("a")
        local.wait_for("a")
        assert run(local, tmp_path / "f", {}, resume=True).missing == []
    assert runs_of(tmp_path / "f") == {"a": 4}


@pytest.mark.parametrize("answer", ["", "[", "[]", "{}", "[1]", '{"a": 1}', None, '[{"name": "load"}]'])
def test_a_doctor_without_an_answer_finds_a_machine_unfit(answer: object) -> None:
    """What is no list of checks says that the doctor gave no answer, and never that all is well."""
    assert unfit_of(answer) == (NO_ANSWER,)
    assert unfit_of('[{"name": "x", "level": "ok", "found": ""}]') == ()
    assert unfit_of(
        '[{"name": "load", "level": "bad", "found": "busy"}, {"name": "x", "level": "ok", "found": ""}]'
    ) == ("load: busy",)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _forget(dask: LocalDask, workers: int) -> None:
    """Wait until the scheduler has noticed that a worker is gone."""
    from distributed import Client  # noqa: PLC0415

    with Client(dask.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        assert eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == workers, 30)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the variables that the documentation names, for a certificate that is good for everybody here."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    text = (Path(__file__).parents[2] / "docs" / "many_machines.md").read_text()
    told = dict(re.findall(r"(DASK_DISTRIBUTED__COMM__\w+)=(\S+)", text))
    assert len(told) == 8
    return {name: str(folder / value) if value.endswith(".pem") else value for name, value in told.items()}


_ENCRYPTED = """
import sys
from pathlib import Path
from significand.fleet_job import run_fleet_in
from significand.runner.dask_place import DaskPlace
from significand.runner.fleet_options import FleetOptions

address, folder, experiment = sys.argv[1], Path(sys.argv[2]), eval(sys.argv[3])
place = lambda bundle: DaskPlace(address, lambda: bundle, (), with_doctor=False)
print(run_fleet_in(folder, experiment, FleetOptions(address), new_place=place).missing)
"""


def test_encrypted_connections_are_only_for_those_with_a_certificate(
    certified: Mapping[str, str], tmp_path: Path
) -> None:
    """With the variables of the documentation an experiment runs over TLS; without them nobody gets in."""
    with LocalDask(tmp_path, "tls", certified) as dask:
        dask.worker("a")
        dask.wait_for("a")
        with pytest.raises(PlanError, match=r"no Dask scheduler answers.*certificates"):
            run(dask, tmp_path / "plain")
        words = [dask.address, str(tmp_path / "out"), repr(TINY)]
        environment = {**os.environ, **certified}
        done = subprocess.run(
            [sys.executable, "-c", _ENCRYPTED, *words], capture_output=True, text=True, check=False, env=environment
        )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert runs_of(tmp_path / "out") == {"a": 4}
