import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from made_up_pages import made_up_experiment
from significand.present.page.draw_rounds import rounds_spec
from significand.present.page.draw_tradeoff import MOST_RUNS, run_rows, tradeoff_spec
from significand.present.page.rounds import RoundsFigure, Step
from significand.present.page.setups import chances, metrics_of, setups_of
from significand.present.page.tradeoff import tradeoff
from significand.present.page.vegalite import along_x, position, setup_rows
from significand.present.plots.drawn import Axis

AXIS = Axis("Time (s)", 0.0, 3.0, (1.0, 2.0), ("1.00", "2.00"), is_log=False)


def test_tooltips_have_every_number_with_its_interval(tmp_path: Path) -> None:
    """A mean's tooltip names the mode and all metrics, each with ± and unit, and what really ran."""
    results = made_up_experiment(tmp_path / "a")
    metrics, setups = metrics_of(results.rows), setups_of(results)
    row = setup_rows(setups, metrics, chances(results))[0]
    spec = tradeoff_spec(tradeoff(setups, metrics["latency"], metrics["accuracy"]), metrics)
    of_means = spec["layer"][3]["encoding"]["tooltip"]
    assert [one["field"] for one in of_means] == [
        "label",
        *(f"{name}_text" for name in metrics),
        "ran",
        "chance",
        "count",
    ]
    assert all("±" in str(row[f"{name}_text"]) for name in metrics)
    assert row["ran"] == "float32"


def test_frontier_members_are_filled_and_others_hollow(tmp_path: Path) -> None:
    """As in the PNG: filled with an edge of ink, or the colour of the mode around the colour of the paper."""
    results = made_up_experiment(tmp_path / "a")
    metrics, setups = metrics_of(results.rows), setups_of(results)
    pair = tradeoff(setups, metrics["latency"], metrics["accuracy"])
    points = tuple(replace(point, on_frontier=point.setup == 0) for point in pair.points)
    drawn = tradeoff_spec(replace(pair, points=points), metrics)["datasets"]["points"]
    assert (drawn[0]["fill"], drawn[0]["edge"]) == ("var(--mode-0)", "var(--ink)")
    assert (drawn[1]["fill"], drawn[1]["edge"]) == ("var(--paper)", "var(--mode-1)")


def test_single_runs_are_bounded(tmp_path: Path) -> None:
    """Of thousands of runs as many of each setup are drawn."""
    results = made_up_experiment(tmp_path / "a", n=4)
    metrics, setups = metrics_of(results.rows), setups_of(results)
    assert len(run_rows(setups, metrics)) == 12
    many = [replace(setup, runs=setup.runs.take(np.tile(np.arange(len(setup.runs)), 1000))) for setup in setups]
    rows = run_rows(many, metrics)
    assert MOST_RUNS / 2 < len(rows) <= MOST_RUNS
    assert {row["m"] for row in rows} == {0, 1, 2}


def test_disturbed_steps_are_crosses_of_their_own_colour() -> None:
    """Bold where they are in the numbers, thin where they are not; quiet ones are filled or hollow."""
    steps = (
        Step(0, 0, 0.1, 1.0, disturbed=False, counted=True),
        Step(0, 0, 0.2, 1.0, disturbed=False, counted=False),
        Step(0, 0, 0.3, 2.0, disturbed=True, counted=True),
        Step(0, 0, 0.4, 2.0, disturbed=True, counted=False),
    )
    spec = rounds_spec(RoundsFigure("inference", "Latency rounds", 1, AXIS, steps, ""))
    quiet, disturbed = spec["datasets"]["quiet"], spec["datasets"]["disturbed"]
    assert [step["fill"] for step in quiet] == ["var(--mode-0)", "transparent"]
    assert disturbed[0]["bold"] > disturbed[1]["bold"]
    assert [step["state"] for step in disturbed] == ["disturbed", "disturbed, not in the numbers"]
    assert spec["layer"][2]["mark"]["stroke"] == "var(--bad)"
    assert spec["layer"][2]["mark"]["shape"] != spec["layer"][1]["encoding"]["shape"]


def test_ticks_have_the_decimals_that_were_prepared() -> None:
    """Linear ticks are fixed, logarithmic ones and very large ones are as short as they can be."""
    logarithmic = replace(AXIS, low=0.1, tick_labels=("0.1", "1"), is_log=True)
    axes: list[dict[str, Any]] = [
        json.loads(along_x("a", axis).to_json())
        for axis in (AXIS, logarithmic, replace(AXIS, tick_labels=("1e+08", "2e+08")))
    ]
    assert [axis["axis"]["format"] for axis in axes] == [".2f", "~g", "~g"]
    assert [axis["scale"].get("zero") for axis in axes] == [False, None, False]


def test_positions_are_short_and_what_is_missing_is_null() -> None:
    """Five digits are less than a pixel; NaN and infinities are no JSON."""
    assert position(1 / 3) == 0.33333
    assert position(float("nan")) is None
    assert position(float("inf")) is None
