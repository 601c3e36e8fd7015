"""Why a setup is as fast as it is."""

import math
from pathlib import Path

import numpy as np
import pytest

from made_up_pages import made_up_experiment
from significand.answers.explain import CONVERSIONS, OTHERS, OUTSIDE, PRODUCTS, Explained, explain
from significand.answers.folder import Folder
from significand.engines.operators import CALL
from significand.results.store import DETAILS

# Name, kind, format, multiply-adds, converts, microseconds, note.
Row = tuple[str, str, str, float, bool, float, str]

FLOAT: list[Row] = [
    ("first", "Conv", "float32", 900.0, False, 60.0, ""),
    ("relu", "Relu", "", 0.0, False, 10.0, ""),
    ("last", "Gemm", "float32", 100.0, False, 20.0, ""),
    (CALL, CALL, "", 0.0, False, 100.0, ""),
]
INT8: list[Row] = [
    ("quantise", "QuantizeLinear", "", 0.0, True, 10.0, ""),
    ("first_q", "QLinearConv", "int8", 900.0, False, 20.0, ""),
    ("last_q", "Gemm", "float32", 100.0, False, 20.0, "left as it is"),
    (CALL, CALL, "", 0.0, False, 60.0, ""),
]


def arrays(rows: list[Row], call_us: float) -> dict[str, np.ndarray]:
    """Return a run's arrays with these operators, and timed calls of one length."""
    names = ("name", "kind", "format", "multiply_adds", "is_conversion", "time_s", "note")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["time_s"] = [time_us / 1e6 for time_us in columns["time_s"]]
    return {f"operator_{name}": np.array(values) for name, values in columns.items()} | {
        "call_latency_s": np.full(5, call_us / 1e6)
    }


def folder_with(path: Path, details: dict[str, dict[str, np.ndarray]]) -> Folder:
    """Return a folder of two repeats of float32 and int8 with these arrays."""
    results = made_up_experiment(path / "results", ["float32", "int8"], n=2)
    (results.path / DETAILS).mkdir()
    for name, run_arrays in details.items():
        np.savez(results.path / DETAILS / f"{name}.npz", **run_arrays)  # type: ignore[arg-type]  # by name
    return results


def explained(tmp_path: Path, float32: list[Row] | None = None, int8: list[Row] | None = None) -> dict[str, Explained]:
    """Explain a folder in which float32 took 50 µs a call and int8 30, half of what they took while profiled."""
    details = {"r000-float32": arrays(float32 or FLOAT, 50.0), "r000-int8": arrays(int8 or INT8, 30.0)}
    return {one.setup: one for one in explain(folder_with(tmp_path, details))}


def test_times_are_scaled_to_the_call_that_was_timed_and_add_up_to_it(tmp_path: Path) -> None:
    """A profiler slows what it looks at; its shares are what counts."""
    float32 = explained(tmp_path)["float32"]
    assert float32.slowing == pytest.approx(2)
    wanted = {PRODUCTS: 40e-6, CONVERSIONS: 0.0, OTHERS: 5e-6, OUTSIDE: 5e-6}
    assert float32.times_s == pytest.approx(wanted)
    assert sum(float32.times_s.values()) == pytest.approx(float32.latency_s)


def test_formats_are_told_by_share_of_the_work(tmp_path: Path) -> None:
    """One layer of a tenth of the work that stayed float32 is a tenth, not one word for all."""
    int8 = explained(tmp_path)["int8"]
    assert int8.by_format == pytest.approx({"int8": 0.9, "float32": 0.1})
    assert (int8.in_its_own, len(int8.layers)) == (1, 2)


def test_layers_stand_beside_those_of_the_baseline(tmp_path: Path) -> None:
    """Layer by layer where both have the same work in the same order, and all of them together."""
    int8 = explained(tmp_path)["int8"]
    theirs = {one.name: one.baseline_s for one in int8.operators}
    assert theirs["first_q"] == pytest.approx(30e-6)
    assert theirs["last_q"] == pytest.approx(10e-6)
    assert math.isnan(theirs["quantise"])
    assert int8.layers_speedup == pytest.approx(2)  # 40 µs of layers by 20


def test_layers_that_were_fused_otherwise_are_not_matched(tmp_path: Path) -> None:
    """Where it cannot be told which layer is which, no layer has a baseline; the sum of all still has."""
    fused = [INT8[0], ("all", "QAttention", "int8", 1000.0, False, 40.0, ""), INT8[3]]
    int8 = explained(tmp_path, int8=fused)["int8"]
    assert all(math.isnan(one.baseline_s) for one in int8.operators)
    assert int8.layers_speedup == pytest.approx(2)


def test_without_times_the_formats_are_told_all_the_same(tmp_path: Path) -> None:
    """An engine without a profiler leaves times missing, not 0."""
    rows = [(*row[:5], math.nan, row[6]) for row in INT8[:-1]]
    int8 = explained(tmp_path, int8=rows)["int8"]
    assert int8.by_format == pytest.approx({"int8": 0.9, "float32": 0.1})
    assert int8.times_s == {}
    assert math.isnan(int8.layers_speedup)
    assert math.isnan(int8.to_dict()["layers_speedup"])  # type: ignore[arg-type]  # a number


def test_why_there_are_no_times_is_told(tmp_path: Path) -> None:
    """As the run has it, in the note of the whole call; a folder of an earlier version tells no reason."""
    rows = [(*row[:5], math.nan, row[6]) for row in INT8[:-1]]
    reason = (CALL, CALL, "", 0.0, False, math.nan, "onnxruntime has no profiler, or it told nothing")
    found = explained(tmp_path, int8=[*rows, reason])
    assert found["int8"].untimed == reason[-1]
    assert found["int8"].to_dict()["untimed"] == reason[-1]
    assert [one.name for one in found["int8"].operators] == [row[0] for row in rows]
    assert found["float32"].untimed == ""


def test_a_folder_of_an_earlier_version_has_no_operators(tmp_path: Path) -> None:
    """It is read like any other, and has nothing to explain."""
    assert all(not one.operators for one in explain(folder_with(tmp_path, {})))


@pytest.mark.parametrize("lacking", ["operator_time_s", "operator_multiply_adds", "operator_note"])
def test_arrays_of_which_one_is_missing_explain_nothing(lacking: str, tmp_path: Path) -> None:
    """Whatever somebody left in a folder, reading it ends in no traceback."""
    broken = {name: values for name, values in arrays(INT8, 30.0).items() if name != lacking}
    (setup,) = (one for one in explain(folder_with(tmp_path, {"r000-int8": broken})) if one.setup == "int8")
    assert not setup.operators


def test_calls_that_took_no_time_have_no_shares(tmp_path: Path) -> None:
    """Of a foreign folder whose latency is 0, nothing can be a share."""
    setups = explain(folder_with(tmp_path, {"r000-int8": arrays(INT8, 0.0)}))
    assert all(math.isnan(one.slowing) for one in setups)
