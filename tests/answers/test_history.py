import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from made_up_results import made_up_folder, made_up_runs, with_values
from significand.analysis.intervals import Estimate
from significand.answers.history import History, MetricHistory, level_changes, read_history, with_changes
from significand.plan.metrics import METRICS
from significand.results.comparable import ResultsError
from significand.results.values import jsonable

LATENCY, ACCURACY = METRICS["latency"], METRICS["accuracy"]


def archived(tmp_path: Path, slower: list[float], **newest: object) -> Path:
    """Write a folder with an archive: experiments an hour apart, the last one in the folder itself."""
    folder = tmp_path / "results"
    for index, factor in enumerate(slower):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=index)
        last = index == len(slower) - 1
        # Names that do not sort by time: what counts is when an experiment started.
        place = folder / "now" if last else folder / "history" / f"{99 - index}"
        runs = made_up_runs(index, slower=factor, spread=0.003)
        made_up_folder(place, runs, started_utc=start.isoformat(), **(newest if last else {}))  # type: ignore[arg-type]
    for path in (folder / "now").iterdir():
        path.rename(folder / path.name)
    (folder / "now").rmdir()
    return folder


def starts(history: History) -> list[str]:
    """Return the hours at which the results began."""
    return [one.started_utc[11:13] for one in history.results]


def test_results_come_in_the_order_of_time(tmp_path: Path) -> None:
    """Archive and folder make one sequence by start; each mean has Student's interval, as SciPy has it."""
    folder = archived(tmp_path, [1.0, 1.1, 1.2])
    history = read_history(folder, metrics=["latency"])
    assert starts(history) == ["00", "01", "02"]
    (series,) = history.series
    second = history.results[1]
    values = second.runs.numbers("inference_latency_per_sample_s")[second.finished("float32")]
    low, high = stats.t.interval(0.95, 7, np.mean(values), stats.sem(values))
    estimate = series.estimates[1]
    assert (estimate.point, estimate.low, estimate.high) == pytest.approx((np.mean(values), low, high), rel=1e-9)
    assert series.note == "too few results (3; at least 5)"
    assert not series.changes


def test_a_new_level_is_found_where_it_begins(tmp_path: Path) -> None:
    """A latency that is a fifth higher from the fifth of eight results on is a change for the worse, there."""
    history = read_history(archived(tmp_path, [1.0] * 4 + [1.2] * 4))
    by_metric = {series.metric: series for series in history.series}
    (change,) = by_metric["latency"].changes
    assert (change.index, change.verdict) == (4, "worse")
    assert change.size == pytest.approx(1.2, rel=0.01)
    assert not any(series.changes for metric, series in by_metric.items() if metric != "latency")
    assert not any(series.note for series in history.series)


def test_what_cannot_stand_beside_the_newest_is_skipped(tmp_path: Path) -> None:
    """Results of another machine, of no run, without a start or damaged are listed with the reason."""
    folder = archived(tmp_path, [1.0, 1.0])
    archive = folder / "history"
    runs, early = made_up_runs(3), "2025-12-01T00:00:00"  # of an unnamed zone, which is taken for UTC
    made_up_folder(archive / "other", runs, machine={"host": "b", "os": "c"}, started_utc=early)
    made_up_folder(archive / "failed", with_values(runs, "status", ["failed"] * 8))
    made_up_folder(archive / "timeless", runs, started_utc="yesterday")
    columns = ["seed", "repeat", "precision_mode", "status"]
    made_up_folder(archive / "columns", runs, columns=columns, started_utc=early)
    made_up_folder(archive / ".moving", runs)
    (archive / "empty").mkdir()
    (archive / "note.txt").write_text("mine", encoding="utf-8")
    history = read_history(folder)
    assert starts(history) == ["00", "01"]
    reasons = {one.folder.name: one.reason for one in history.skipped}
    assert reasons.pop("empty").endswith("give a folder that `significand run` has written")
    assert reasons == {
        "other": "machine.host: 'b' in it, 'bench' in the newest, and 1 more",
        "failed": "no run finished",
        "timeless": "manifest.json does not say when it started",
        "columns": "its version did not write latency, train_time, memory, accuracy, test_accuracy, model_size",
    }


def test_estimated_energy_is_shown_and_not_judged(tmp_path: Path) -> None:
    """An estimate has means but no change points, and says why."""
    (series,) = read_history(archived(tmp_path, [1.0] * 5), metrics=["energy"]).series
    assert series.note == "estimated energy restates CPU time"
    assert all(math.isfinite(estimate.point) for estimate in series.estimates)


def test_a_mode_that_came_later_has_gaps(tmp_path: Path) -> None:
    """A mode is in the history as soon as one result has it; where it lacks, its mean is missing."""
    folder = archived(tmp_path, [1.0, 1.0])
    later = [*made_up_runs(8), *made_up_runs(9, mode="int8")]
    made_up_folder(folder / "history/later", later, started_utc="2026-02-01T00:00:00+00:00")
    history = read_history(folder, metrics=["latency"])
    assert [series.precision_mode for series in history.series] == ["float32", "int8"]
    int8 = [estimate.point for estimate in history.series[1].estimates]
    assert [math.isnan(point) for point in int8] == [True, True, False]
    rows = json.loads(json.dumps(jsonable(history.to_dict()), allow_nan=False))
    assert rows["series"][1]["estimates"][0]["point"] is None
    assert len(rows["results"]) == 3


def test_without_results_there_is_no_history(tmp_path: Path) -> None:
    """A folder without results is refused, as is a metric that does not exist; all at once."""
    with pytest.raises(ResultsError) as caught:
        read_history(tmp_path, metrics=["speed"])
    assert [line.partition(" ")[0] for line in caught.value.problems] == ["metrics:", f"'{tmp_path}'"]


def test_a_metric_that_the_newest_lacks_is_refused(tmp_path: Path) -> None:
    """A column that the newest result does not have is named, as are the metrics that it has."""
    columns = ["seed", "repeat", "precision_mode", "status", "inference_latency_per_sample_s"]
    folder = made_up_folder(tmp_path / "old", made_up_runs(1), columns=columns)
    with pytest.raises(ResultsError, match=r"the newest result has no column model_size_mb .*: --metrics latency$"):
        read_history(folder, metrics=["latency", "model_size"])


def test_every_level_is_found() -> None:
    """Up and down again are two changes, told by their sense: costs as ratios, accuracies in points."""
    costs = np.repeat([1.0, 1.3, 1.0], 6) * np.exp(0.005 * np.random.default_rng(0).normal(size=18))
    found = level_changes(costs, LATENCY)
    assert [(change.index, change.verdict) for change in found] == [(6, "worse"), (12, "better")]
    shares = np.repeat([0.90, 0.95], 5) + 0.001 * np.random.default_rng(1).normal(size=10)
    (change,) = level_changes(shares, ACCURACY)
    assert (change.index, change.verdict) == (5, "better")
    assert change.size == pytest.approx(5, abs=0.2)


def test_a_single_odd_result_is_no_level() -> None:
    """One slow experiment among steady ones, also the last, is not called a change."""
    for odd in (3, 9):
        costs = np.exp(0.005 * np.random.default_rng(2).normal(size=10))
        costs[odd] *= 1.5
        assert level_changes(costs, LATENCY) == []


def test_missing_means_keep_their_place() -> None:
    """A change is found at its place among all results, also where some have no mean; too few have none."""
    costs = [1.0, 1.001, math.nan, 0.999, 1.0, math.nan, 1.5, 1.501, 1.499, 1.5]
    (change,) = level_changes(costs, LATENCY)
    assert change.index == 6
    assert level_changes([1.0, 1.0, 2.0, 2.0], LATENCY) == []


def test_steady_histories_rarely_change() -> None:
    """Of 200 made-up histories without a change, at most 5 % are said to have one."""
    random = np.random.default_rng(3)
    histories = [np.exp(0.02 * random.normal(size=size)) for size in (5, 8, 12, 30) for _ in range(50)]
    assert sum(bool(level_changes(costs, LATENCY)) for costs in histories) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 12, 30])
def test_many_series_together_rarely_change(size: int) -> None:
    """Of 200 histories of 18 steady series at most 5 % show any change: the series share the significance."""
    random = np.random.default_rng(4)
    changed = 0
    for costs in np.exp(0.05 * random.normal(size=(200, 18, size))):
        estimates = [[Estimate(cost, math.nan, math.nan, "t", 0.95, 1) for cost in series] for series in costs]
        searched = with_changes([MetricHistory("float32", "latency", one, [], "") for one in estimates])
        changed += any(series.changes for series in searched)
    assert changed <= 10


def test_what_is_not_searched_takes_no_share(tmp_path: Path) -> None:
    """A series with a note is left as it is, and the others are searched as if it were not there."""
    folder = archived(tmp_path, [1.0] * 4 + [1.2] * 4)
    alone = read_history(folder, metrics=["latency"]).series
    beside = read_history(folder, metrics=["latency", "energy"]).series
    assert alone[0].changes
    assert beside[0] == alone[0]
    assert not beside[1].changes


@settings(max_examples=25)
@given(st.lists(st.floats() | st.floats(0, 1), max_size=12))
def test_any_numbers_give_changes_in_order(values: list[float]) -> None:
    """Whatever the means are, changes come in order and within the results."""
    for measure in (LATENCY, ACCURACY):
        places = [change.index for change in level_changes(values, measure)]
        assert places == sorted(set(places))
        assert all(0 < place < len(values) for place in places)
