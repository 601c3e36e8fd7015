"""Behaviour of what a fleet says: host by host as each alone, and over the hosts of a kind."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up_fleets import CORE, EPYC, XEON, host_runs, hosts_of, made_up_fleet, write_host
from made_up_grids import grid_experiment
from significand.analysis.hosts import over_hosts
from significand.answers.fleet import (
    BY_CHANCE,
    ONE_HOST,
    SAME_SEEDS,
    UNRESOLVED,
    FleetAnswer,
    folder_of,
    read_answer,
)
from significand.answers.fleet_tables import (
    HOST_COLUMNS,
    RATIO_COLUMNS,
    fleet_summary_columns,
    hosts_frame,
    ratios_frame,
    runs_frame,
    summary_frame,
)
from significand.present.words.hosts import further_lines
from significand.results.store import HOSTS

INT8 = 1


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> FleetAnswer:
    """Return what four hosts of one kind, three of another and one of a third say."""
    return read_answer(made_up_fleet(tmp_path_factory.mktemp("fleets") / "usual"))


def test_each_host_says_what_it_says_alone(answer: FleetAnswer) -> None:
    """Its ratio, interval and pairs are those of the claims of its own folder, for every metric."""
    for place, host in enumerate(answer.fleet.hosts):
        alone = {one.metric: one.estimate for one in folder_of(answer.fleet, host).claims.comparisons}
        for name, one in answer.ratios.items():
            assert one.shown(one.mean)[place, INT8] == pytest.approx(alone[name].point, rel=1e-12), name
            assert one.shown(one.low)[place, INT8] == pytest.approx(alone[name].low, rel=1e-9), name
            assert one.shown(one.high)[place, INT8] == pytest.approx(alone[name].high, rel=1e-9), name
            assert one.pairs[place, INT8] == alone[name].n, name


def test_a_kind_says_what_its_hosts_say_together(answer: FleetAnswer) -> None:
    """The mean over hosts of one kind knows nothing of hosts of another."""
    one = answer.ratios["latency"]
    mine = answer.kind_codes == 0
    variances = one.standard_error[mine, INT8] ** 2 * one.pairs[mine, INT8]
    found = over_hosts(one.mean[mine, INT8], variances, one.pairs[mine, INT8], np.zeros(4, dtype=np.int64), 1)
    assert answer.fleet.kinds[0] == EPYC["cpu"]
    assert one.point[0, INT8] == pytest.approx(found.mean[0])
    assert one.point_low[0, INT8] == pytest.approx(found.low[0])
    assert one.of_kind("tau")[0, INT8] == pytest.approx(found.tau[0])


def test_one_host_has_its_own_interval(answer: FleetAnswer) -> None:
    """It is that of its pairs, and it is told that this says nothing of others."""
    one = answer.ratios["latency"]
    kind = answer.fleet.kinds.index(str(CORE["cpu"]))
    (host,) = np.flatnonzero(answer.kind_codes == kind)
    assert one.point_low[kind, INT8] == one.low[host, INT8]
    assert one.reasons[kind, INT8] == ONE_HOST
    assert np.isnan(one.of_kind("tau")[kind, INT8])
    assert np.isnan(one.of_kind("prediction_low")[kind, INT8])


def test_scores_have_no_mean_over_hosts(answer: FleetAnswer) -> None:
    """Hosts repeat the same seeds: each tells its own difference, and together they are no more evidence."""
    one = answer.ratios["test_accuracy"]
    assert np.isfinite(one.mean[:, INT8]).all()
    assert np.isnan(one.point[0, INT8])
    assert one.reasons[0, INT8] == SAME_SEEDS


def test_estimated_energy_is_not_compared(answer: FleetAnswer) -> None:
    """It restates CPU time, on every host."""
    assert "energy" not in answer.ratios


def test_tests_of_a_family_share_its_level(answer: FleetAnswer) -> None:
    """Holm's method goes over all kinds, setups and metrics of the family."""
    one = answer.ratios["latency"]
    assert one.tests == 11  # of three metrics on three kinds, and of two scores on one host
    known = np.isfinite(one.p_value)
    assert (one.p_adjusted[known] >= one.p_value[known]).all()
    assert np.isnan(one.p_adjusted[:, 0]).all()


def test_what_the_meter_cannot_tell_is_no_difference(answer: FleetAnswer) -> None:
    """Peaks that differ by less than the meter's resolution are not told apart, however exact their ratio."""
    one = answer.ratios["memory"]
    assert (one.reasons[:2, INT8] == UNRESOLVED).all()
    assert (one.p_value[:2, INT8] == 1).all()


def test_the_speed_of_a_host_does_not_matter(tmp_path: Path) -> None:
    """Latencies of different machines are never put together: one ten times slower says the same."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 3),))
    before = read_answer(folder).ratios["latency"]
    experiment = read_answer(folder).fleet.experiment
    (machine,) = [m for name, m in hosts_of(((EPYC, 3),)).items() if name == "node02"]
    slow = [
        replace(
            run,
            inference_latency_per_sample_s=10 * run.inference_latency_per_sample_s,
            round_latencies_s=" ".join(f"{10 * float(one)!r}" for one in run.round_latencies_s.split()),
        )
        for run in host_runs(experiment, machine, shake=1)
    ]
    target = folder / HOSTS / "node02"
    for file in target.iterdir():
        file.unlink()
    target.rmdir()
    write_host(target, experiment, machine, slow)
    after = read_answer(folder).ratios["latency"]
    assert after.point_low[0, INT8] == pytest.approx(before.point_low[0, INT8], rel=1e-9)


def test_repeats_that_are_dealt_out_make_hosts_of_one_pair(tmp_path: Path) -> None:
    """A host with one repeat takes the error of the others; without any second repeat nothing is said of the spread."""
    keep = {"node01": [0, 1, 2], "node02": [3], "node03": [4]}
    some = read_answer(made_up_fleet(tmp_path / "some", ((EPYC, 3),), hosts="share", keep=keep)).ratios["latency"]
    assert some.pairs[:, INT8].tolist() == [3, 1, 1]
    assert np.isfinite([some.point_low[0, INT8], some.of_kind("tau")[0, INT8]]).all()
    keep = {"node01": [0], "node02": [3], "node03": [4]}
    single = read_answer(made_up_fleet(tmp_path / "single", ((EPYC, 3),), hosts="share", keep=keep)).ratios["latency"]
    assert np.isfinite(single.point_low[0, INT8])
    assert np.isnan(single.of_kind("tau")[0, INT8])
    assert np.isnan(single.low).all()


def test_repeats_that_are_dealt_out_are_scored_as_one_hosts(tmp_path: Path) -> None:
    """Each repeat has a seed of its own and ran once: the pairs of scores are what one host would have measured."""
    keep = {"node01": [0, 1], "node02": [2, 3], "node03": [4]}
    folder = made_up_fleet(tmp_path / "share", ((EPYC, 3),), hosts="share", keep=keep)
    experiment, machines = read_answer(folder).fleet.experiment, hosts_of(((EPYC, 3),))
    by_host = [host_runs(experiment, machine, shake=shake) for shake, machine in enumerate(machines.values())]
    kept = [run for name, runs in zip(machines, by_host, strict=True) for run in runs if run.repeat in keep[name]]
    alone = made_up_fleet(tmp_path / "alone", ((EPYC, 1),))
    shutil.rmtree(alone / HOSTS / "node01")
    write_host(alone / HOSTS / "node01", experiment, machines["node01"], kept)
    shared, single = read_answer(folder), read_answer(alone)
    for name in ("accuracy", "test_accuracy"):
        one, other = shared.ratios[name], single.ratios[name]
        for values in ("point", "point_low", "point_high", "p_value"):
            assert getattr(one, values)[0, INT8] == pytest.approx(getattr(other, values)[0, INT8], rel=1e-9), values
        assert np.isfinite(one.point_low[0, INT8])
        assert one.reasons[0, INT8] == ""
    rows = ratios_frame(shared).filter(of="kind", metric="accuracy")
    assert rows.select("hosts", "pairs", "method", "tau", "prediction_low").rows() == [(3, 5, "t", None, None)]


@pytest.mark.parametrize(
    ("hosts", "keep", "reason"),
    [
        ("share", {"node01": [0, 1, 2], "node02": [0, 1, 2], "node03": [3, 4]}, SAME_SEEDS),
        ("share", {"node01": [0, 1, 2], "node02": [2, 3], "node03": [4]}, SAME_SEEDS),
        ("merged", {"node01": [0, 1], "node02": [2, 3], "node03": [4]}, ""),
        ("each", {"node01": [0, 1], "node02": [2, 3], "node03": [4]}, ""),
    ],
)
def test_seeds_that_two_hosts_had_are_no_more_evidence(
    tmp_path: Path, hosts: str, keep: dict[str, list[int]], reason: str
) -> None:
    """The runs decide whether scores are taken together, not how they came about: more may have been merged in."""
    answer = read_answer(made_up_fleet(tmp_path / "fleet", ((EPYC, 3),), hosts=hosts, keep=keep))
    one = answer.ratios["test_accuracy"]
    assert one.reasons[0, INT8] == reason
    assert np.isfinite(one.point_low[0, INT8]) == (reason == "")
    assert answer.seeds_once == (reason == "")
    assert any("by host" in line or "all 3 hosts" in line for line in further_lines(answer)) == (reason != "")


def test_seeds_are_asked_kind_by_kind(tmp_path: Path) -> None:
    """Hosts of one kind that share no seed have their mean, whatever hosts of another kind have between them."""
    kinds = ((EPYC, 1), (XEON, 1), (EPYC, 1), (XEON, 1))
    keep = {"node01": [0, 1], "node02": [0, 1], "node03": [2, 3], "node04": [1, 2]}
    answer = read_answer(made_up_fleet(tmp_path / "fleet", kinds, keep=keep))
    one = answer.ratios["test_accuracy"]
    reasons = dict(zip(answer.fleet.kinds, one.reasons[:, INT8].tolist(), strict=True))
    assert reasons == {EPYC["cpu"]: "", XEON["cpu"]: SAME_SEEDS}
    mine = answer.kind_codes == answer.fleet.kinds.index(str(EPYC["cpu"]))
    assert one.point[~np.isnan(one.point[:, INT8]), INT8] == pytest.approx([one.mean[mine, INT8].mean()])


def test_repeats_of_one_number_on_two_hosts_are_not_paired(tmp_path: Path) -> None:
    """A host that lost a setup's run pairs it with nobody else's."""
    experiment = grid_experiment(precision_modes=("float32", "int8"), engine="onnxruntime", batch_size=16, repeats=3)
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 2),), repeats=3)
    machine = hosts_of(((EPYC, 2),))["node02"]
    runs = [run for run in host_runs(experiment, machine, shake=1) if (run.setup, run.repeat) != ("float32", 1)]
    target = folder / HOSTS / "node02"
    for file in target.iterdir():
        file.unlink()
    target.rmdir()
    write_host(target, experiment, machine, runs)
    assert read_answer(folder).ratios["latency"].pairs[:, INT8].tolist() == [3, 2]


def test_hosts_that_agree_too_well_are_told(tmp_path: Path) -> None:
    """Hosts that show the same although each is uncertain."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 3),))
    experiment, machines = read_answer(folder).fleet.experiment, hosts_of(((EPYC, 3),))
    for name, machine in machines.items():
        target = folder / HOSTS / name
        for file in target.iterdir():
            file.unlink()
        target.rmdir()
        write_host(target, experiment, machine, host_runs(experiment, machine, shake=1, spread=0.2))
    one = read_answer(folder).ratios["latency"]
    assert one.reasons[0, INT8] == BY_CHANCE


def test_tables_have_the_columns_that_are_described(answer: FleetAnswer) -> None:
    """Each column once, in the order of its description; the host comes first."""
    assert hosts_frame(answer).columns == list(HOST_COLUMNS)
    assert ratios_frame(answer).columns == list(RATIO_COLUMNS)
    assert summary_frame(answer).columns == list(fleet_summary_columns())
    assert runs_frame(answer).columns[0] == "host"
    assert runs_frame(answer).height == 80


def test_a_table_of_means_is_each_hosts_own_summary(answer: FleetAnswer) -> None:
    """Means and t intervals are those of the host's own summary."""
    rows = summary_frame(answer).rows(named=True)
    for host in answer.fleet.hosts:
        own = {row["setup"]: row for row in folder_of(answer.fleet, host).rows}
        for row in (one for one in rows if one["host"] == host.name):
            for name in (
                "latency_mean",
                "latency_std",
                "latency_ci95",
                "memory_ci95_t_low",
                "test_accuracy_ci95_t_high",
            ):
                assert row[name] == pytest.approx(own[row["setup"]][name], rel=1e-12), name
            assert row["repeats"] == own[row["setup"]]["repeats"]


def test_what_is_missing_is_null(answer: FleetAnswer) -> None:
    """No number of any table is NaN."""
    for frame in (hosts_frame(answer), ratios_frame(answer), summary_frame(answer)):
        floats = frame.select(name for name, kind in frame.schema.items() if kind.is_float())
        assert not any(column.is_nan().any() for column in floats)


def test_the_row_of_a_host_says_what_it_did(answer: FleetAnswer) -> None:
    """Machine, repeats, runs, and its blocks."""
    row = hosts_frame(answer).row(4, named=True)
    assert (row["host"], row["kind"], row["instructions"]) == ("node05", XEON["cpu"], "AVX2")
    assert (row["repeats"], row["finished_runs"], row["finished_blocks"], row["lost_blocks"]) == (5, 10, 5, 0)
    assert row["first_started_utc"] == "2026-01-02T03:05:00+00:00"
