import math
from pathlib import Path

import pytest

from made_up_pages import made_up_experiment
from significand.answers.folder import Folder
from significand.plan.metrics import METRICS
from significand.present.page.setups import metrics_of, setups_of
from significand.present.page.tradeoff import FRAME_PX, Tradeoff, axes_offered, tradeoff, tradeoffs


def first_pair(results: Folder) -> Tradeoff:
    """Prepare latency and training accuracy."""
    metrics = metrics_of(results.rows)
    return tradeoff(setups_of(results), metrics["latency"], metrics["accuracy"])


def test_every_pair_of_measured_axes_is_offered(tmp_path: Path) -> None:
    """Four costs and two accuracies, first the held-out one; an estimated energy is no axis, a measured one is."""
    estimated = made_up_experiment(tmp_path / "a")
    metrics = metrics_of(estimated.rows)
    costs, accuracies = axes_offered(metrics)
    assert costs == ["latency", "train_time", "memory", "model_size"]
    assert accuracies == ["test_accuracy", "accuracy"]
    assert len(tradeoffs(setups_of(estimated), metrics)) == 8
    measured = made_up_experiment(tmp_path / "b", columns={"energy_kind": "measured", "energy_source": "rapl"})
    assert "energy" in axes_offered(metrics_of(measured.rows))[0]


def test_points_have_their_boxes_and_the_frontier_its_steps(tmp_path: Path) -> None:
    """Boxes are the t intervals of both means; the line ends at the right of the axes; axes hold every run."""
    results = made_up_experiment(tmp_path / "a")
    pair = first_pair(results)
    fastest = pair.points[0]
    row = results.rows[0]
    assert fastest.x_box == pytest.approx((row["latency_ci95_t_low"] * 1e6, row["latency_ci95_t_high"] * 1e6))  # type: ignore[operator]
    assert fastest.on_frontier
    assert pair.steps[0] == (fastest.x, pair.y.low)
    assert pair.steps[-1][0] == pair.x.high
    latencies, accuracies = (results.runs.numbers(METRICS[name].column) for name in ("latency", "accuracy"))
    assert pair.x.low < latencies.min() * 1e6 <= latencies.max() * 1e6 < pair.x.high
    assert pair.y.low < accuracies.min() * 100 <= accuracies.max() * 100 < pair.y.high
    assert "mean over 4 runs; box: 95 % t intervals" in pair.caption


def test_no_accuracy_is_drawn_beyond_what_it_can_be(tmp_path: Path) -> None:
    """A box ends at 0 and 100 %, however wide the interval of a few runs is; the table has the interval."""
    results = made_up_experiment(tmp_path / "a")
    rows = [{**row, "accuracy_ci95_t_low": -0.75, "accuracy_ci95_t_high": 1.63} for row in results.rows]
    results.__dict__["rows"] = rows
    pair = first_pair(results)
    assert {point.y_box for point in pair.points} == {(0, 100)}
    assert pair.y.high < 140


def test_a_single_run_has_no_box_and_the_caption_says_so(tmp_path: Path) -> None:
    """Without an interval there is nothing to draw but the point."""
    pair = first_pair(made_up_experiment(tmp_path / "a", n=1))
    assert all(point.x_box is None and point.y_box is None for point in pair.points)
    assert "single run has no interval" in pair.caption
    assert "box:" not in pair.caption


def test_modes_without_a_point_are_named(tmp_path: Path) -> None:
    """A mode that failed is not in the chart, and the caption says so."""
    pair = first_pair(made_up_experiment(tmp_path / "a", failed=["float16"]))
    assert [point.setup for point in pair.points] == [0, 2]
    assert "Not shown: float16, no finished run." in pair.caption


def test_without_any_point_there_is_no_line(tmp_path: Path) -> None:
    """Nothing measured, nothing drawn: then there are no axes to offer either."""
    results = made_up_experiment(tmp_path / "a", failed=["float32", "float16", "int8"])
    assert axes_offered(metrics_of(results.rows)) == ([], [])
    assert tradeoffs(setups_of(results), metrics_of(results.rows)) == []


def test_labels_stand_beside_their_points_and_clear_of_each_other(tmp_path: Path) -> None:
    """A label that finds no room is left to the legend; one that does is inside the frame."""
    pair = first_pair(made_up_experiment(tmp_path / "a"))
    assert all(point.label_px for point in pair.points)
    crowded = first_pair(made_up_experiment(tmp_path / "b", [f"m{k}" for k in range(12)], columns={"variant": ""}))
    boxes = []
    for point in crowded.points:
        if point.label_px is None:
            continue
        x = (point.x - crowded.x.low) / (crowded.x.high - crowded.x.low) * FRAME_PX[0] + point.label_px[0]
        y = (crowded.y.high - point.y) / (crowded.y.high - crowded.y.low) * FRAME_PX[1] + point.label_px[1]
        assert 0 <= x <= FRAME_PX[0]
        assert 0 <= y <= FRAME_PX[1]
        boxes.append((x, y))
    assert all(math.dist(a, b) > 10 for k, a in enumerate(boxes) for b in boxes[:k])


def test_every_point_of_the_frontier_is_named(tmp_path: Path) -> None:
    """The best one is at the left edge with the line at its right: it is what a reader looks for, so it has its name.

    Even where others crowd around it.
    """
    for names in (["float32", "float16", "int8", "int8-dynamic"], [f"a-long-name-{k}" for k in range(12)]):
        results = made_up_experiment(tmp_path / names[0], names, columns={"variant": ""})
        metrics = metrics_of(results.rows)
        for pair in tradeoffs(setups_of(results), metrics):
            assert all(point.label_px for point in pair.points if point.on_frontier), (pair.cost, pair.accuracy)


@pytest.mark.slow
def test_costs_of_different_size_get_a_logarithmic_axis(tmp_path: Path) -> None:
    """Labels and frontier know about it: a mode that is twenty times slower is still inside."""
    results = made_up_experiment(tmp_path / "a", [f"m{k}" for k in range(40)], n=2)
    pair = first_pair(results)
    assert pair.x.is_log
    assert all(pair.x.low < point.x < pair.x.high for point in pair.points)


def test_who_is_as_good_as_one_on_the_line_is_filled(tmp_path: Path) -> None:
    """Beaten by less than what does not matter: it is off the line, which stays where it is; the caption says so."""
    results = made_up_experiment(tmp_path / "a")
    metrics, wide = (metrics_of(results.rows, zones) for zones in ({}, {"latency": 9.0, "test_accuracy": 0.9}))
    pairs = [tradeoffs(setups_of(results), of) for of in (metrics, wide)]
    beaten = [place for place, one in enumerate(pairs[0]) if not all(point.on_frontier for point in one.points)]
    near = [place for place in beaten if pairs[1][place].points != pairs[0][place].points]
    assert near
    for place in near:
        plain, filled = (of[place] for of in pairs)
        assert filled.steps == plain.steps
        assert "as good as one on it" in filled.caption
        assert "as good as" not in plain.caption
