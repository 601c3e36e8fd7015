import math
from pathlib import Path

import pytest

from made_up_pages import HOSTILE, made_up_experiment
from significand.present.page.setups import chances, mean_of, mean_texts, metrics_of, setups_of


def test_metrics_have_units_that_suit_them(tmp_path: Path) -> None:
    """Every metric of which there is a value is shown, in a unit by which its largest mean is at least 1."""
    metrics = metrics_of(made_up_experiment(tmp_path / "a").rows)
    units = {name: metric.unit for name, metric in metrics.items()}
    assert units == {
        "latency": "µs/sample",
        "train_time": "ms/epoch",
        "memory": "MB",
        "model_size": "MB",
        "accuracy": "%",
        "test_accuracy": "%",
        "energy": "J/epoch",
    }
    assert metrics["energy"].estimated
    assert metrics["energy"].title == "Estimated energy"


def test_a_metric_without_any_value_is_left_out(tmp_path: Path) -> None:
    """A column of nothing but dashes would say nothing."""
    results = made_up_experiment(tmp_path / "a", columns={"energy_per_epoch_j": math.nan, "model_size_mb": math.nan})
    assert not {"energy", "model_size"} & set(metrics_of(results.rows))


def test_a_mean_has_the_digits_of_its_interval(tmp_path: Path) -> None:
    """The t interval stands with the mean in one unit, and the text has two digits of its half-width."""
    results = made_up_experiment(tmp_path / "a", n=8)
    row, metrics = results.rows[0], metrics_of(results.rows)
    mean = mean_of(row, metrics["latency"])
    assert mean.value == pytest.approx(row["latency_mean"] * 1e6)  # type: ignore[operator]  # a number
    assert mean.bounds == pytest.approx((row["latency_ci95_t_low"] * 1e6, row["latency_ci95_t_high"] * 1e6))  # type: ignore[operator]
    assert mean.text == f"{mean.value:.3f}±{mean.high - mean.value:.3f}"
    assert mean_texts(row, metrics)["latency"] == f"{mean.text} µs/sample"


def test_a_single_run_has_no_interval(tmp_path: Path) -> None:
    """One run gives a mean that stands alone."""
    results = made_up_experiment(tmp_path / "a", n=1)
    mean = mean_of(results.rows[0], metrics_of(results.rows)["latency"])
    assert mean.bounds is None
    assert "±" not in mean.text


def test_a_mode_without_finished_runs_has_no_numbers(tmp_path: Path) -> None:
    """Failed runs are in no number."""
    results = made_up_experiment(tmp_path / "a", failed=["float16"])
    setup = setups_of(results)[1]
    assert not setup.runs
    assert set(mean_texts(setup.row, metrics_of(results.rows)).values()) == {"–"}


def test_names_are_text(tmp_path: Path) -> None:
    """Control characters and marks of direction become visible; names keep their length, labels do not."""
    setups = setups_of(made_up_experiment(tmp_path / "a", HOSTILE))
    assert [setup.mode for setup in setups] == list(HOSTILE)
    assert setups[2].name == "n" * 300
    assert len(setups[2].label) < 80
    assert setups[3].name.isprintable()


def test_probabilities_come_by_mode(tmp_path: Path) -> None:
    """Of the experiment's own objectives; unknown where there is no frontier or a single run."""
    known = chances(made_up_experiment(tmp_path / "a"))
    assert list(known) == ["float32", "float16", "int8"]
    assert known["float32"] > 0.9
    assert all(map(math.isnan, chances(made_up_experiment(tmp_path / "b", n=1)).values()))
