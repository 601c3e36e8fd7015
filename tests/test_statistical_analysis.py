"""Behaviour of the main job: the specified call, its files and its numbers."""

import csv
import json
import math
import shutil
import statistics
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl
import pytest
from PIL import Image

from conftest import SMALL
from made_up_results import read_runs
from significand.job import ExperimentInterrupted, run_experiment_in
from significand.plan.problems import PlanError
from significand.results.records import Run
from significand.results.store import RunDirectory
from significand.statistical_analysis import (
    _ci95,
    _save_csv,
    _save_pareto_plot,
    _save_tradeoff_plots,
    run_repeated_benchmarks,
)

METRICS = {
    "train_time": "train_time_per_epoch_s",
    "latency": "inference_latency_per_sample_s",
    "memory": "peak_memory_mb",
    "accuracy": "final_train_accuracy",
    "energy": "energy_per_epoch_j",
}
FURTHER = {
    "test_accuracy": "test_accuracy",
    "training_memory": "training_peak_memory_mb",
    "inference_memory": "inference_peak_memory_mb",
    "model_size": "model_size_mb",
    "relative_output_error": "relative_output_error",
    "throughput": "batch_throughput_samples_per_s",
    "batch_latency_p50": "batch_latency_p50_s",
    "batch_latency_p95": "batch_latency_p95_s",
    "batch_latency_p99": "batch_latency_p99_s",
    "load_time": "load_time_s",
    "first_call": "first_call_s",
}
OF_OTHERS = {"compile_time": "compile_time_s"}
"""Of engines that compile; empty for those measured here."""

SPECIFIED_KEYS = ["precision_mode", "repeats"] + [
    f"{metric}_{part}" for metric in METRICS for part in ("mean", "std", "ci95")
]
PLOTS = ["accuracy_vs_latency.png", "accuracy_vs_energy.png", "accuracy_vs_memory.png", "pareto_frontier.png"]
FILES = [
    "journal.jsonl",
    "steps.csv",
    "raw_runs.csv",
    "summary_stats.csv",
    "summary_stats.json",
    "comparisons.csv",
    "comparisons.json",
    "pareto.json",
    "answer.json",
    "operators.csv",
    "examples.csv",
    "examples.npz",
    "manifest.json",
    *PLOTS,
    "report.html",
]

CALL: dict[str, Any] = {name: value for name, value in SMALL.items() if name != "data"} | {
    "precision_modes": ["int8", "float32", "float16"],
    "repeats": 3,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], Path]:
    """One experiment for all tests of this module: three modes, three repeats."""
    folder = tmp_path_factory.mktemp("results") / "out"
    return run_repeated_benchmarks(**CALL, output_dir=folder), folder


def test_rows_have_the_specified_keys_in_order(results: tuple[list[dict[str, object]], Path]) -> None:
    """One dict per mode, in the order given, whose keys begin with the specified ones."""
    rows, _ = results
    assert [row["precision_mode"] for row in rows] == ["int8", "float32", "float16"]
    assert all(list(row)[: len(SPECIFIED_KEYS)] == SPECIFIED_KEYS for row in rows)
    assert all(row["repeats"] == 3 for row in rows)


def test_every_specified_file_is_there_and_nothing_else(results: tuple[list[dict[str, object]], Path]) -> None:
    """The seven specified files and ours; no lock, no temporary file."""
    _, folder = results
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "details"])


def test_every_number_follows_from_the_raw_runs(results: tuple[list[dict[str, object]], Path]) -> None:
    """Mean, sample deviation and 1.96 standard errors, recomputed from raw_runs.csv by other means, to 1e-12."""
    _, folder = results
    with (folder / "raw_runs.csv").open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    with (folder / "summary_stats.csv").open(encoding="utf-8", newline="") as file:
        summaries = list(csv.DictReader(file))
    assert len(runs) == 9
    for row in summaries:
        of_mode = [run for run in runs if run["precision_mode"] == row["precision_mode"]]
        assert int(row["repeats"]) == len(of_mode)
        assert {key.removesuffix("_mean") for key in row if key.endswith("_mean")} == set(METRICS | FURTHER | OF_OTHERS)
        assert all(row[f"{metric}_mean"] == "" for metric in OF_OTHERS)
        for metric, column in (METRICS | FURTHER).items():
            values = [float(run[column]) for run in of_mode]
            deviation = statistics.stdev(values)
            assert float(row[f"{metric}_mean"]) == pytest.approx(statistics.fmean(values), rel=1e-12)
            assert float(row[f"{metric}_std"]) == pytest.approx(deviation, rel=1e-12, abs=1e-15)
            half_width = 1.96 * deviation / math.sqrt(len(values))
            assert float(row[f"{metric}_ci95"]) == pytest.approx(half_width, rel=1e-12, abs=1e-15)


def test_every_ratio_follows_from_the_raw_runs(results: tuple[list[dict[str, object]], Path]) -> None:
    """Geometric mean of the paired ratios to float32 and its t interval, recomputed from raw_runs.csv, to 1e-12."""
    rows, folder = results
    runs = {(run.precision_mode, run.repeat): run for run in read_runs(folder / "raw_runs.csv")}
    for row in rows:
        assert row["ratio_baseline"] == "float32"
        for metric in ("train_time", "latency", "memory", "energy"):
            pairs = [(runs[str(row["precision_mode"]), repeat], runs["float32", repeat]) for repeat in range(3)]
            logs = [_log_ratio(METRICS[metric], *pair) for pair in pairs]
            # t(0.975, 2 degrees of freedom) = 4.302652729911275: NIST handbook 1.3.6.7.2 gives 4.303
            half = 4.302652729911275 * statistics.stdev(logs) / math.sqrt(3)
            centre = statistics.fmean(logs)
            assert row[f"{metric}_ratio"] == pytest.approx(math.exp(centre), rel=1e-12)
            assert row[f"{metric}_ratio_ci95_t_low"] == pytest.approx(math.exp(centre - half), rel=1e-9)
            assert row[f"{metric}_ratio_ci95_t_high"] == pytest.approx(math.exp(centre + half), rel=1e-9)


def _log_ratio(column: str, ours: Run, theirs: Run) -> float:
    """Return the log ratio of a pair, of latency the median over the rounds that count in both."""
    if column != METRICS["latency"]:
        return math.log(getattr(ours, column)) - math.log(getattr(theirs, column))
    rounds = zip(ours.round_latencies_s.split(), theirs.round_latencies_s.split(), strict=True)
    logs = [math.log(float(one) / float(other)) for one, other in rounds]
    return statistics.median(logs[max(ours.steady_from_round, theirs.steady_from_round) :])


def test_json_and_csv_and_return_value_agree(results: tuple[list[dict[str, object]], Path]) -> None:
    """The three forms of the summary hold the same values to the last bit."""
    rows, folder = results
    from_json = json.loads((folder / "summary_stats.json").read_text(encoding="utf-8"))
    with (folder / "summary_stats.csv").open(encoding="utf-8", newline="") as file:
        from_csv = list(csv.DictReader(file))
    for returned, in_json, in_csv in zip(rows, from_json, from_csv, strict=True):
        assert list(returned) == list(in_json) == list(in_csv)
        for key, value in returned.items():
            if value is None or (isinstance(value, float) and math.isnan(value)):  # what three runs do not determine
                assert (in_json[key], in_csv[key]) == (None, "")
                continue
            assert in_json[key] == value
            if isinstance(value, bool):
                assert in_csv[key] == str(value).lower()
            elif isinstance(value, int | float):
                assert float(in_csv[key]) == value
            else:
                assert in_csv[key] == value


def test_plots_say_140_dpi(results: tuple[list[dict[str, object]], Path]) -> None:
    """The resolution in every PNG's metadata is 140 DPI."""
    for name in PLOTS:
        with Image.open(results[1] / name) as image:
            assert image.info["dpi"] == pytest.approx((140, 140), abs=0.1)


def test_the_manifest_says_what_ran_where_and_when(results: tuple[list[dict[str, object]], Path]) -> None:
    """The manifest holds experiment, machine, versions, times and counts."""
    manifest = json.loads((results[1] / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["state"] == "finished"
    assert manifest["experiment"]["layer_sizes"] == [16, 32, 4]
    assert manifest["experiment"]["data"] == "synthetic"
    for fact in ("cpu", "physical_cores", "instruction_sets", "frequency_governor", "memory_mb", "os", "versions"):
        assert fact in manifest["machine"]
    assert manifest["machine"]["versions"]["torch"]
    assert "git_revision" in manifest
    assert manifest["started_utc"] < manifest["ended_utc"]
    assert (manifest["finished_runs"], manifest["failed_runs"]) == (9, 0)
    assert 0 < manifest["measured_s"] < manifest["blocks_s"] < manifest["elapsed_s"]


def test_runs_are_kept_with_their_single_times(results: tuple[list[dict[str, object]], Path]) -> None:
    """Every run of the table has its details file."""
    runs = read_runs(results[1] / "raw_runs.csv")
    assert sorted(run.name for run in runs) == sorted(path.stem for path in (results[1] / "details").iterdir())


def test_executed_again_accuracies_are_identical_and_earlier_results_are_in_history(
    results: tuple[list[dict[str, object]], Path], tmp_path: Path
) -> None:
    """The same call in the same folder gives the same accuracies; the first results are in history, unchanged."""
    folder = tmp_path / "out"
    shutil.copytree(results[1], folder)
    run_repeated_benchmarks(**CALL, output_dir=folder)
    (archived,) = (folder / "history").iterdir()
    first, second = (
        {run.name: run.final_train_accuracy for run in read_runs(where / "raw_runs.csv")}
        for where in (archived, folder)
    )
    assert first == second
    assert (archived / "raw_runs.csv").read_bytes() == (results[1] / "raw_runs.csv").read_bytes()
    assert sorted(path.name for path in archived.iterdir()) == sorted([*FILES, "details"])


def test_one_repeat_has_no_interval_anywhere(tmp_path: Path) -> None:
    """With one run deviation and half-width are NaN in Python, empty in CSV, null in JSON, and plots still appear."""
    rows = run_repeated_benchmarks(**CALL | {"repeats": 1, "precision_modes": ["float32"]}, output_dir=tmp_path)
    assert math.isnan(rows[0]["latency_std"])  # type: ignore[arg-type]
    assert math.isnan(rows[0]["latency_ci95"])  # type: ignore[arg-type]
    with (tmp_path / "summary_stats.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["latency_std"], row["latency_ci95"]) == ("", "")
    assert json.loads((tmp_path / "summary_stats.json").read_text(encoding="utf-8"))[0]["latency_ci95"] is None
    assert all((tmp_path / name).is_file() for name in PLOTS)


def test_bad_input_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """Every mistake is in one error, and nothing is created."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        run_repeated_benchmarks(
            [16], ["rleu"], ["float32", "float32"], 0, 100, 1, 1, 42, output_dir=tmp_path / "file" / "below"
        )
    fields = [line.split(":")[0] for line in caught.value.problems]
    assert fields == ["layer_sizes", "activations", "precision_modes", "batch_size", "output_dir"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """Two experiments never share a folder: the second is told who has it, and changes nothing."""
    with RunDirectory(tmp_path) as directory:
        directory.begin({"state": "running"})
        before = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(PlanError, match="in use by process"):
            run_repeated_benchmarks(**CALL, output_dir=tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_interrupt_keeps_the_finished_runs_and_the_rest_follows(
    results: tuple[list[dict[str, object]], Path], tmp_path: Path
) -> None:
    """Ctrl-C raises with the number of finished runs, which are on disk; resumed, all are as without interruption."""

    def interrupt(progress: object) -> None:
        if progress.share > 0.4:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(ExperimentInterrupted) as caught:
        run_experiment_in(tmp_path, CALL | {"data": "synthetic"}, interrupt)
    assert (caught.value.finished, caught.value.planned) == (3, 9)
    assert len(read_runs(tmp_path / "raw_runs.csv")) == 3
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["state"] == "interrupted"
    summary = json.loads((tmp_path / "summary_stats.json").read_text(encoding="utf-8"))
    assert [row["repeats"] for row in summary] == [1, 1, 1]
    run_repeated_benchmarks(**CALL, output_dir=tmp_path, resume=True)
    whole, parts = (
        {run.name: (run.final_train_accuracy, run.test_accuracy) for run in read_runs(folder / "raw_runs.csv")}
        for folder in (results[1], tmp_path)
    )
    assert parts == whole


def test_the_helpers_work_alone(tmp_path: Path) -> None:
    """_ci95, _save_csv and the plots take plain lists of dicts with the specified keys only."""
    # 1.96 x 1 / sqrt(3), by hand
    assert _ci95([1.0, 2.0, 3.0]) == pytest.approx(1.1316065276116665, rel=1e-14)
    assert math.isnan(_ci95([1.0]))
    assert math.isnan(_ci95([]))
    rows: list[dict[str, object]] = []
    for mode, latency in (("float32", 2e-6), ("int8", 1e-6)):
        row: dict[str, object] = {"precision_mode": mode, "repeats": 5}
        for metric in METRICS:
            row |= {f"{metric}_mean": 0.5, f"{metric}_std": 0.1, f"{metric}_ci95": math.nan}
        rows.append(row | {"latency_mean": latency, "latency_ci95": latency / 10})
    _save_csv(rows, tmp_path / "rows.csv")
    text = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    assert text[0] == ",".join(SPECIFIED_KEYS)
    assert text[1].startswith("float32,5,0.5,0.1,,2e-06")
    _save_tradeoff_plots(rows, tmp_path)
    _save_pareto_plot(rows, tmp_path)
    assert all((tmp_path / name).is_file() for name in PLOTS)


def test_a_missing_report_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller is told that everything was written but the report, and what to do."""

    def fail(results: object) -> NoReturn:  # noqa: ARG001 - whatever it says
        raise ZeroDivisionError

    monkeypatch.setattr("significand.present.page.report_html", fail)
    with pytest.warns(UserWarning, match="report"):
        rows = run_repeated_benchmarks(
            [8, 4], ["softmax"], ["float32"], 16, 64, 1, 1, 0, tmp_path / "results", latency_rounds=1
        )
    assert rows[0]["repeats"] == 1
    assert (tmp_path / "results" / "raw_runs.csv").is_file()


ROWS: list[dict[str, object]] = [{"mode": "float32", "value": 0.1}, {"mode": "int8", "other": None}]


@pytest.mark.parametrize("rows", [ROWS, tuple(ROWS), iter(ROWS), (row for row in ROWS), map(dict, ROWS)])
def test_rows_are_saved_whatever_holds_them(rows: Any, tmp_path: Path) -> None:  # noqa: ANN401 - that is the point
    """A generator gives the file of the list, also into a folder that is not there yet, by a text or a path."""
    _save_csv(rows, str(tmp_path / "new" / "rows.csv"))
    text = (tmp_path / "new" / "rows.csv").read_text(encoding="utf-8")
    assert text.split() == ["mode,value,other", "float32,0.1,", "int8,,"]


@pytest.mark.parametrize(
    "rows", [ROWS[0], None, 5, ["ab"], [(1, 2)], pl.DataFrame(ROWS[:1])], ids=lambda one: type(one).__name__
)
def test_what_are_no_rows_is_said(rows: Any, tmp_path: Path) -> None:  # noqa: ANN401 - the same
    """One error that says what to give; no file is written."""
    for save in (_save_csv, _save_tradeoff_plots, _save_pareto_plot):
        with pytest.raises(TypeError, match=r"^rows?.*: type .* give a list of dicts.*to_dicts"):
            save(rows, tmp_path / "rows.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [5, None, "", b"x", "a\0b"])
def test_what_is_no_path_is_said(path: Any) -> None:  # noqa: ANN401 - the same
    """Every function that writes names its argument."""
    for save in (_save_csv, _save_tradeoff_plots, _save_pareto_plot):
        with pytest.raises((TypeError, ValueError), match=r"^(path|out_dir): "):
            save([], path)


def test_an_interval_of_a_generator_is_that_of_its_list() -> None:
    """What can be gone through once is enough; a text is not taken for its digits."""
    assert _ci95(float(value) for value in "124") == _ci95([1.0, 2.0, 4.0])
    with pytest.raises(TypeError, match="type str"):
        _ci95("124")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"output_dir": 5}, "output_dir: 5 is not a path"),
        ({"output_dir": ""}, "output_dir: '' names nothing"),
        ({"output_dir": b"x"}, "output_dir: b'x' is not a path"),
        ({"resume": "no"}, "resume: 'no' is neither True nor False"),
        ({"data": np.ones((3, 2))}, "data: data of type ndarray are neither .*savez"),
        ({"data": ([[1.0]], [0])}, "data: data of type tuple are neither"),
        ({"data": pl.DataFrame({"a": [1]})}, "data: data of type DataFrame are neither"),
        ({"learning_rat": 0.1}, "learning_rat: is not a field .*did you mean 'learning_rate'"),
        ({"layer_sizes": {16: 1}}, "layer_sizes: .* give a list"),
        ({"precision_modes": [np.float32]}, "precision_modes: .* give a text"),
    ],
    ids=str,
)
def test_misuse_is_one_clear_line(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    """It names the argument, what it got and what to give, and nothing is written."""
    with pytest.raises(PlanError, match=f"^{said}") as caught:
        run_repeated_benchmarks(**CALL | {"output_dir": tmp_path / "out"} | change)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()
