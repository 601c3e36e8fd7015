import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from made_up_results import made_up_folder, made_up_runs, with_values
from significand.analysis.comparison import Comparison
from significand.answers.compare import FolderComparison, compare_folders
from significand.results.comparable import ResultsError
from significand.results.records import Run
from significand.results.values import jsonable


def of_metric(result: FolderComparison, metric: str, mode: str = "float32") -> Comparison:
    """Return the comparison of a metric."""
    return next(one for one in result.of_mode(mode) if one.metric == metric)


def latencies(runs: list[Run]) -> np.ndarray:
    """Return the logs of the latencies."""
    return np.log([run.inference_latency_per_sample_s for run in runs])


def problems_of(old: Path, new: Path, **options: object) -> list[str]:
    """Return why two folders are not compared."""
    with pytest.raises(ResultsError) as caught:
        compare_folders(old, new, **options)  # type: ignore[arg-type]  # by name
    return list(caught.value.problems)


def test_same_seeds_are_compared_in_pairs(tmp_path: Path) -> None:
    """Runs of one seed are a pair: ratio, interval and p-value are those of SciPy's paired t test on the logs."""
    before, after = made_up_runs(1), made_up_runs(2, slower=1.02)
    old, new = made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", after)
    found = of_metric(compare_folders(old, new, metrics=["latency"]), "latency")
    golden = stats.ttest_rel(latencies(after), latencies(before))
    interval = golden.confidence_interval()
    assert found.paired
    assert found.estimate.n == 8
    assert found.p_value == pytest.approx(golden.pvalue, rel=1e-9)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(
        (math.exp(interval.low), math.exp(interval.high)), rel=1e-9
    )


def test_other_seeds_are_compared_by_welch(tmp_path: Path) -> None:
    """Where seeds differ nothing is paired: the numbers are those of SciPy's Welch test on the logs, and it is said."""
    before, after = made_up_runs(1), made_up_runs(2, n=6, seed=30, slower=1.02, spread=0.03)
    old = made_up_folder(tmp_path / "old", before, experiment={"seed": 7})
    new = made_up_folder(tmp_path / "new", after, experiment={"seed": 30})
    result = compare_folders(old, new, metrics=["latency"])
    found = of_metric(result, "latency")
    golden = stats.ttest_ind(latencies(after), latencies(before), equal_var=False)
    interval = golden.confidence_interval()
    assert not found.paired
    assert found.p_value == pytest.approx(golden.pvalue, rel=1e-9)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(
        (math.exp(interval.low), math.exp(interval.high)), rel=1e-9
    )
    assert "The seeds differ (7 in OLD, 30 in NEW): runs are not paired." in result.notes


def test_repeats_may_differ(tmp_path: Path) -> None:
    """Of more repeats on one side those without a partner are left out, and counted."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1, n=8))
    new = made_up_folder(tmp_path / "new", made_up_runs(2, n=5))
    found = of_metric(compare_folders(old, new), "latency")
    assert (found.estimate.n, found.left_out) == (5, 3)


def test_all_comparisons_share_one_family(tmp_path: Path) -> None:
    """Every mode and metric that has a test counts in Holm's family; an equal model size has none."""
    before = [*made_up_runs(1), *made_up_runs(2, mode="int8")]
    after = [*made_up_runs(3), *made_up_runs(4, mode="int8")]
    old, new = made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", after)
    result = compare_folders(old, new)
    metrics = ["latency", "train_time", "memory", "accuracy", "test_accuracy", "model_size"]
    assert [one.metric for one in result.of_mode("int8")] == metrics
    assert {one.family for one in result.comparisons} == {10}
    assert of_metric(result, "model_size").verdict == "no difference shown"
    assert of_metric(compare_folders(old, new, metrics=["latency"]), "latency").family == 2


def test_energy_is_compared_only_where_it_was_measured(tmp_path: Path) -> None:
    """Measured energy is compared by default, estimated energy is not, and never judged."""
    before, after = made_up_runs(1), made_up_runs(2)
    estimated = made_up_folder(tmp_path / "estimated", after)
    measured = [
        made_up_folder(tmp_path / name, with_values(runs, "energy_kind", ["measured"] * 8))
        for name, runs in (("old", before), ("new", after))
    ]
    assert of_metric(compare_folders(*measured), "energy").verdict != "not tested"
    assert "energy" not in [one.metric for one in compare_folders(measured[0], estimated).comparisons]
    (line,) = problems_of(measured[0], estimated, metrics=["energy"])
    assert line.startswith("runs.energy_kind: ['measured'] in OLD, ['estimated'] in NEW; ")
    allowed = compare_folders(measured[0], estimated, metrics=["energy"], allow=["runs.energy_kind"])
    assert of_metric(allowed, "energy").verdict == "not tested"


def test_estimates_must_assume_the_same(tmp_path: Path) -> None:
    """Estimated energies of other assumed watts are not put into a ratio; what is noted of measured ones may differ."""
    for kind in ("estimated", "measured"):
        for shake, watts in enumerate((12, 24)):
            runs = with_values(made_up_runs(shake), "energy_kind", [kind] * 8)
            told = with_values(runs, "energy_assumptions", [f"{watts} W"] * 8)
            made_up_folder(tmp_path / kind / str(watts), told, experiment={"watts_per_core": watts})
    estimated, measured = ((tmp_path / kind / "12", tmp_path / kind / "24") for kind in ("estimated", "measured"))
    (line,) = problems_of(*estimated, metrics=["energy"])
    assert line.startswith("runs.energy_assumptions: ['12 W'] in OLD, ['24 W'] in NEW; ")
    assert compare_folders(*estimated).comparisons
    assert of_metric(compare_folders(*measured), "energy").verdict != "not tested"


def test_margins_make_equivalence_possible(tmp_path: Path) -> None:
    """Differences surely within the margins are equivalent; a margin is a share or a percentage."""
    old, new = made_up_folder(tmp_path / "old", made_up_runs(1)), made_up_folder(tmp_path / "new", made_up_runs(2))
    for margin in (0.1, "10%", "0.1"):
        result = compare_folders(old, new, margin=margin, accuracy_margin=2)
        assert of_metric(result, "latency").margin == pytest.approx(0.1)
        assert of_metric(result, "latency").verdict == "equivalent"
        assert of_metric(result, "accuracy").verdict == "equivalent"


def test_what_differs_is_refused_with_its_remedy(tmp_path: Path) -> None:
    """Every field that differs is a line with both values and the words that admit it."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    new = made_up_folder(
        tmp_path / "new", made_up_runs(2), machine={"host": "b", "versions": {"significand": "0.1.0", "torch": "9"}}
    )
    lines = problems_of(old, new)
    remedy = "if that is what you compare, give --allow"
    assert lines == [
        f"machine.host: 'bench' in OLD, 'b' in NEW; {remedy} machine.host",
        f"machine.versions.torch: '2.12.0' in OLD, '9' in NEW; {remedy} machine.versions.torch",
    ]
    assert problems_of(old, new, allow=["machine.versions"]) == lines[:1]
    for allow in (["machine"], ["machine.host", "machine.versions.torch"]):
        result = compare_folders(old, new, allow=allow)
        assert list(result.admitted) == [line.partition(";")[0] for line in lines]
        assert "Known of one folder only, so not checked: machine.versions.numpy." in result.notes


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """Wrong options and both folders' faults come together, each with the remedy."""
    lines = problems_of(
        tmp_path / "a", tmp_path / "b", metrics=["latncy"], margin="two", accuracy_margin=0, allow=["machine.hots"]
    )
    assert [line.partition(":")[0] for line in lines] == ["margin", "accuracy_margin", "metrics", "OLD", "NEW"]
    assert "(did you mean 'latency'?)" in lines[2]
    old, new = made_up_folder(tmp_path / "old", made_up_runs(1)), made_up_folder(tmp_path / "new", made_up_runs(2))
    (line,) = problems_of(old, new, allow=["machine.hots"])
    assert line.startswith("allow: 'machine.hots' is not a field (did you mean 'machine.host'?)")


@pytest.mark.parametrize("margin", ["0", "-1%", "nan", "inf", "1001%", "%", ""])
def test_margins_out_of_range_are_refused(tmp_path: Path, margin: str) -> None:
    """A margin is a number more than 0 and at most 10."""
    assert problems_of(tmp_path, tmp_path, margin=margin)[0].startswith("margin: ")


def test_a_margin_of_two_is_not_two_hundred_per_cent(tmp_path: Path) -> None:
    """A bare number of 1 or more was meant as per cent: refused, with both ways to write it."""
    assert problems_of(tmp_path, tmp_path, margin="2")[0] == (
        "margin: '2' would be 200 %; write 2% or 200%, as you mean it"
    )
    assert problems_of(tmp_path, tmp_path, margin=1.5)[0].endswith("write 1.5% or 150%, as you mean it")


def test_a_folder_is_not_compared_with_itself(tmp_path: Path) -> None:
    """The same folder twice, however it is written, has no difference to find."""
    made_up_folder(tmp_path / "old", made_up_runs(1))
    (line,) = problems_of(tmp_path / "old", tmp_path / "." / "old")
    assert "are the same folder" in line


def test_disturbed_steps_are_told(tmp_path: Path) -> None:
    """Who reads a verdict learns that a machine was not quiet."""
    noisy = with_values(with_values(made_up_runs(2), "steps", [10] * 8), "disturbed_steps", [3, *[0] * 7])
    result = compare_folders(made_up_folder(tmp_path / "old", made_up_runs(1)), made_up_folder(tmp_path / "new", noisy))
    assert "NEW: others disturbed 3 of 80 measured steps; the machine was not quiet." in result.notes


def test_a_column_that_was_never_written_is_named(tmp_path: Path) -> None:
    """A metric that an older table lacks is refused, with what can be compared without it."""
    old = made_up_folder(
        tmp_path / "old",
        made_up_runs(1),
        columns=["seed", "repeat", "precision_mode", "status", "inference_latency_per_sample_s"],
    )
    new = made_up_folder(tmp_path / "new", made_up_runs(2))
    (line,) = problems_of(old, new, metrics=["latency", "memory"])
    assert line == (
        "metrics: OLD has no column peak_memory_mb for memory, its version did not write it; leave memory out: "
        "--metrics latency"
    )
    assert of_metric(compare_folders(old, new, metrics=["latency"]), "latency").verdict != "not tested"


def test_memory_found_in_another_way_is_not_compared(tmp_path: Path) -> None:
    """How memory was measured must be the same where memory is compared, and only there."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    new = made_up_folder(tmp_path / "new", with_values(made_up_runs(2), "memory_method", ["sampling"] * 8))
    (line,) = problems_of(old, new)
    assert line.startswith("runs.memory_method: ['high-water mark'] in OLD, ['sampling'] in NEW; ")
    assert compare_folders(old, new, allow=["runs.memory_method"]).admitted
    assert not compare_folders(old, new, metrics=["latency"]).admitted


def test_what_is_not_compared_is_said(tmp_path: Path) -> None:
    """Failed runs, modes of one folder, unfinished experiments and another effective format each make a note."""
    failed = with_values(made_up_runs(5, mode="int8"), "status", ["failed"] * 8)
    some = with_values(made_up_runs(1), "status", ["failed", *["finished"] * 7])
    old = made_up_folder(tmp_path / "old", [*some, *made_up_runs(4, mode="int8"), *made_up_runs(3, mode="float64")])
    other = with_values(made_up_runs(2), "effective_precision", ["bfloat16"] * 8)
    new = made_up_folder(tmp_path / "new", [*other, *failed], state="interrupted", experiment={"until": 0.01})
    result = compare_folders(old, new)
    assert result.modes() == ["float32"]
    assert of_metric(result, "latency").left_out == 1
    assert of_metric(result, "latency").estimate.told_method == "sequential t"
    assert list(result.lost) == ["int8"]
    assert list(result.notes) == [
        "float32 in OLD: 1 of 8 runs failed and are in no number.",
        "Only in OLD, so not compared: float64.",
        "NEW: the experiment is interrupted; the runs that finished are compared.",
        "NEW: measured until its intervals were narrow enough, which makes them a little too narrow.",
        "int8 in NEW: 8 of 8 runs failed and are in no number.",
        "float32 ran as float32 in OLD, as bfloat16 in NEW.",
        "Verdicts are of the repeats that both have, the means of OLD and NEW of all runs (7 and 8).",
    ]


def test_equal_numbers_of_other_repeats_are_told_apart(tmp_path: Path) -> None:
    """Seven repeats on either side are not the same seven where each lost another one."""
    first, last = (["failed", *["finished"] * 7], [*["finished"] * 7, "failed"])
    old = made_up_folder(tmp_path / "old", with_values(made_up_runs(1), "status", first))
    new = made_up_folder(tmp_path / "new", with_values(made_up_runs(2), "status", last))
    assert "Verdicts are of the repeats that both have" in compare_folders(old, new).notes[-1]


def test_a_machine_that_was_busy_all_the_time_is_told(tmp_path: Path) -> None:
    """Steps that came out quiet when measured again do not make a busy machine quiet: a gate's reader must know."""
    quiet = [replace(run, steps=10, remeasured_steps=1) for run in made_up_runs(1)]
    busy = [replace(run, steps=10, remeasured_steps=9) for run in made_up_runs(2)]
    old, new = made_up_folder(tmp_path / "old", quiet), made_up_folder(tmp_path / "new", busy)
    (note,) = compare_folders(old, new).notes
    assert note.startswith("NEW: 72 of 80 steps had to be measured again because others disturbed them")


def test_without_a_common_mode_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """Folders of different modes are refused, and both are named."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    new = made_up_folder(tmp_path / "new", made_up_runs(2, mode="int8"))
    assert problems_of(old, new) == [
        "precision_modes: no mode has finished runs in both (float32 in OLD and int8 in NEW); measure one in both"
    ]


def test_json_holds_everything(tmp_path: Path) -> None:
    """The comparisons come as rows with both means, and what is undefined is null."""
    before, after = made_up_runs(1), made_up_runs(2)
    old, new = made_up_folder(tmp_path / "old", before), made_up_folder(tmp_path / "new", after)
    text = json.dumps(jsonable(compare_folders(old, new).to_dict()), allow_nan=False)
    rows = json.loads(text)["comparisons"]
    assert [row["metric"] for row in rows[:2]] == ["latency", "train_time"]
    assert rows[0]["old_mean"] == pytest.approx(np.mean([run.inference_latency_per_sample_s for run in before]))
    assert rows[0]["new_mean"] == pytest.approx(np.mean([run.inference_latency_per_sample_s for run in after]))
    assert rows[0]["p_equivalence"] is None


def grid_runs(shake: int, names: Mapping[tuple[str, int], str], **changes: float) -> list[Run]:
    """Return runs of a grid of engines and batch sizes, named as its experiment names them."""
    return [
        replace(run, setup=name, engine=engine, batch_size=batch_size, threads=2)
        for (engine, batch_size), name in names.items()
        for run in made_up_runs(shake, batch_size, slower=changes.get(name, 1.0))
    ]


def test_setups_are_matched_by_what_they_are(tmp_path: Path) -> None:
    """Two grids that name a setup by other axes have it in common; what varies is no difference of the experiments."""
    before = {("onnxruntime", 1): "float32-b1", ("onnxruntime", 32): "float32-b32"}
    after = {("onnxruntime", 32): "float32-onnxruntime", ("torch", 32): "float32-torch"}
    one = {"engine": ["onnxruntime"], "batch_size": [1, 32], "precision_modes": ["float32"], "threads": [2]}
    other = one | {"engine": ["onnxruntime", "torch"], "batch_size": [32]}
    old = made_up_folder(tmp_path / "old", grid_runs(1, before), experiment=one)
    new = made_up_folder(tmp_path / "new", grid_runs(1, after, **{"float32-onnxruntime": 1.5}), experiment=other)
    result = compare_folders(old, new, metrics=["latency"])
    assert result.modes() == ["float32-onnxruntime-b32"]
    assert of_metric(result, "latency", "float32-onnxruntime-b32").estimate.point == pytest.approx(1.5)
    assert "Only in NEW, so not compared: float32-torch-b32." in result.notes
    assert result.unreached == []


def test_one_value_each_of_an_axis_must_be_the_same_beside_a_grid(tmp_path: Path) -> None:
    """Where batch sizes vary, one number of threads that differs is still a difference of the experiments."""
    names = {("onnxruntime", 1): "float32-b1", ("onnxruntime", 32): "float32-b32"}
    grid = {"engine": ["onnxruntime"], "batch_size": [1, 32], "precision_modes": ["float32"], "threads": [2]}
    old = made_up_folder(tmp_path / "old", grid_runs(1, names), experiment=grid)
    new = made_up_folder(tmp_path / "new", grid_runs(2, names), experiment=grid | {"threads": [1]})
    assert any("experiment.threads: [2] in OLD, [1] in NEW" in line for line in problems_of(old, new))
