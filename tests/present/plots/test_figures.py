import math
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.present.plots.drawn import TradeoffFigure
from significand.present.plots.figures import pareto_figure, tradeoff_figure

MODES = ("float64", "float32", "bfloat16", "float16", "int8", "int8-dynamic")
METRICS = ("train_time", "latency", "memory", "accuracy", "energy")


def summary_row(mode: str, *, repeats: int = 5, **values: object) -> dict[str, object]:
    """Make a row with exactly the specified keys, all means 1 and half-widths 0.01, then apply `values`."""
    row: dict[str, object] = {"precision_mode": mode, "repeats": repeats}
    for metric in METRICS:
        row |= {f"{metric}_mean": 1.0, f"{metric}_std": 0.01, f"{metric}_ci95": 0.01}
    return row | values


def failed_row(mode: str) -> dict[str, object]:
    """Make the row of a mode of which no run finished."""
    return {"precision_mode": mode, "repeats": 0} | {f"{metric}_mean": math.nan for metric in METRICS}


def only_label(**values: object) -> str:
    """Prepare one row and give its point's label."""
    row = summary_row("float32") | values
    return tradeoff_figure([row], "latency").points[0].label


@pytest.mark.parametrize(
    ("cost", "mean", "label", "shown"),
    [
        ("latency", 0.37e-6, "Inference latency per sample (ns)", 370.0),
        ("latency", 4.2e-5, "Inference latency per sample (µs)", 42.0),
        ("latency", 0.0123, "Inference latency per sample (ms)", 12.3),
        ("latency", 2.5, "Inference latency per sample (s)", 2.5),
        ("energy", 0.012, "Energy per epoch (mJ)", 12.0),
        ("energy", 7.0, "Energy per epoch (J)", 7.0),
        ("memory", 0.004, "Peak memory (kB)", 4.0),
        ("memory", 512.0, "Peak memory (MB)", 512.0),
        ("memory", 2048.0, "Peak memory (GB)", 2.048),
        ("memory", 0.0, "Peak memory (MB)", 0.0),
    ],
)
def test_unit_follows_the_data(cost: str, mean: float, label: str, shown: float) -> None:
    """The axis takes the largest unit in which the largest mean is at least 1, and the values follow."""
    prepared = tradeoff_figure([summary_row("float32") | {f"{cost}_mean": mean}], cost)
    assert prepared.x.label == label
    assert prepared.points[0].x == pytest.approx(shown)


def test_accuracy_is_in_per_cent() -> None:
    """Training accuracy and its bar are shown in per cent."""
    prepared = tradeoff_figure([summary_row("int8", accuracy_mean=0.95, accuracy_ci95=0.02)], "latency")
    assert prepared.y.label == "Training accuracy (%)"
    assert prepared.points[0].y == pytest.approx(95.0)
    assert prepared.points[0].y_bar == pytest.approx((93.0, 97.0))


def test_bars_are_the_interval_in_both_directions() -> None:
    """Each bar spans the mean plus and minus the half-width."""
    row = summary_row("int8", memory_mean=3.0, memory_ci95=0.5, accuracy_mean=0.9, accuracy_ci95=0.05)
    point = tradeoff_figure([row], "memory").points[0]
    assert point.x_bar == pytest.approx((2.5, 3.5))
    assert point.y_bar == pytest.approx((85.0, 95.0))


@pytest.mark.parametrize("half_width", [math.nan, None, "", 0.0])
def test_one_repeat_has_no_bar(half_width: object) -> None:
    """With one repeat no bar is drawn, whatever the cell holds, and the footnote says why."""
    row = summary_row("int8", repeats=1, latency_ci95=half_width, accuracy_ci95=half_width)
    prepared = tradeoff_figure([row], "latency")
    assert prepared.points[0].x_bar is None
    assert prepared.points[0].y_bar is None
    assert prepared.footnote == "no bar: a single repeat has no interval"


def test_missing_interval_is_said() -> None:
    """A setup with several repeats but no half-width has no bar and a note."""
    row = summary_row("int8", latency_ci95=None)
    prepared = tradeoff_figure([row], "latency")
    assert prepared.points[0].x_bar is None
    assert prepared.notes == ("int8: interval not given",)


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [
        ([5, 5], "bars: 95 % interval of the mean over 5 repeats, 1.96 × standard error"),
        ([3, 5], "bars: 95 % interval of the mean over 3 to 5 repeats, 1.96 × standard error"),
        (
            [1, 5],
            (
                "bars: 95 % interval of the mean over 5 repeats, 1.96 × standard error; "
                "no bar: a single repeat has no interval"
            ),
        ),
    ],
)
def test_footnote_says_what_bars_are(repeats: list[int], expected: str) -> None:
    """The footnote gives the kind of interval and the number, or the range, of repeats."""
    rows = [summary_row("float32", repeats=n) for n in repeats]
    assert tradeoff_figure(rows, "latency").footnote == expected


def test_failed_mode_is_a_note_and_no_point() -> None:
    """A mode without any finished run is not drawn but named."""
    prepared = tradeoff_figure([summary_row("float32"), failed_row("float16")], "latency")
    assert [point.label for point in prepared.points] == ["float32"]
    assert prepared.notes == ("float16: no finished run",)


def test_single_missing_value_is_named() -> None:
    """A setup that lacks only the value of one axis is named in that plot, and drawn in the others."""
    row = summary_row("int8", energy_mean=None)
    assert tradeoff_figure([row], "energy").notes == ("int8: no value for energy per epoch",)
    assert len(tradeoff_figure([row], "memory").points) == 1


@pytest.mark.parametrize(("n_failed", "note"), [(1, "int8: 1 failed run"), (2, "int8: 2 failed runs")])
def test_failed_runs_are_counted(n_failed: int, note: str) -> None:
    """A setup that lost some runs is drawn, and the loss is said."""
    prepared = tradeoff_figure([summary_row("int8", failed_runs=n_failed)], "latency")
    assert len(prepared.points) == 1
    assert prepared.notes == (note,)


@pytest.mark.parametrize("rows", [[], [failed_row("int8")]])
def test_nothing_to_draw_gives_a_message(rows: list[dict[str, object]]) -> None:
    """Without a drawable row the figure is empty and says so."""
    for prepared in (tradeoff_figure(rows, "energy"), pareto_figure(rows)):
        assert prepared.points == ()
        assert prepared.staircase == ()
        assert prepared.message


@pytest.mark.parametrize(
    ("mode", "effective", "label"),
    [
        ("float16", "float32", "float16 (ran as float32)"),
        ("float16", "float16", "float16"),
        ("int8", "int8", "int8"),
        ("int8-dynamic", "int8", "int8-dynamic"),
        ("int8-dynamic", "float32", "int8-dynamic (ran as float32)"),
        ("int8", None, "int8"),
    ],
)
def test_label_tells_what_really_ran(mode: str, effective: str | None, label: str) -> None:
    """A setup that computed in another format than its mode infers in says so in its label."""
    assert only_label(precision_mode=mode, effective_precision=effective) == label


def test_engine_is_named_only_where_it_tells_setups_apart() -> None:
    """With one engine its name would be noise; with two it is part of the label."""
    rows = [summary_row("int8", engine="torch"), summary_row("int8", engine="openvino")]
    assert [point.label for point in tradeoff_figure(rows, "latency").points] == [
        "int8, torch",
        "int8, openvino",
    ]
    assert only_label(engine="torch") == "float32"


def test_long_names_are_shortened_in_the_middle() -> None:
    """A very long name keeps its start and its end around an ellipsis."""
    label = only_label(precision_mode="start" + "x" * 500 + "end")
    assert len(label) == 26
    assert label.startswith("start")
    assert label.endswith("end")
    assert "…" in label


def test_control_characters_become_visible() -> None:
    """Line breaks and the like cannot break a label out of its line."""
    assert only_label(precision_mode="a\nb\x00\u202ec") == "a\ufffdb\ufffd\ufffdc"


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ([{}], "Energy per epoch (J)"),
        ([{"energy_kind": "measured"}], "Energy per epoch (J, measured)"),
        ([{"energy_kind": "estimated"}], "Energy per epoch (J, estimated)"),
        (
            [{"energy_kind": "estimated", "energy_source": "cpu-time"}],
            "Energy per epoch (J, estimated from CPU time)",
        ),
        (
            [{"energy_kind": "estimated"}, {"energy_kind": "measured"}],
            "Energy per epoch (J, partly estimated)",
        ),
        ([{}, {"energy_kind": "measured"}], "Energy per epoch (J)"),
        ([{"energy_kind": None}], "Energy per epoch (J)"),
    ],
)
def test_energy_says_its_origin(origins: list[Mapping[str, object]], expected: str) -> None:
    """The energy axis says estimated if any row is not measured, and nothing that the rows do not say."""
    rows = [summary_row("float32") | dict(origin) for origin in origins]
    assert tradeoff_figure(rows, "energy").x.label == expected


def test_six_modes_differ_in_colour_and_marker() -> None:
    """Every known mode has a colour and a marker of its own, the same in every plot and company."""
    points = tradeoff_figure([summary_row(mode) for mode in MODES], "latency").points
    assert len({point.colour for point in points}) == len({point.marker for point in points}) == 6
    for mode, point in zip(MODES, points, strict=True):
        alone = pareto_figure([summary_row("other"), summary_row(mode)]).points[1]
        assert (alone.colour, alone.marker) == (point.colour, point.marker)


def test_unknown_modes_keep_their_style_where_one_is_not_drawn() -> None:
    """Further names get distinct styles by their order in the rows, drawn or not."""
    rows = [summary_row(f"mode{i}") for i in range(20)]
    styles = [(point.colour, point.marker) for point in tradeoff_figure(rows, "latency").points]
    assert len(set(styles)) == 20
    rows[0] = failed_row("mode0")
    assert [(point.colour, point.marker) for point in tradeoff_figure(rows, "energy").points] == styles[1:]


def test_setups_of_one_mode_share_its_style() -> None:
    """Two engines of the same unknown mode have the same colour and marker."""
    first, second = tradeoff_figure([summary_row("fp8"), summary_row("fp8")], "latency").points
    assert (first.colour, first.marker) == (second.colour, second.marker)


def test_frontier_and_its_staircase() -> None:
    """The frontier is marked, and its line runs from the floor over every member to the right edge."""
    values = [("int8", 1.0, 0.7), ("bfloat16", 2.0, 0.8), ("float16", 2.5, 0.75), ("float32", 3.0, 0.9)]
    rows = [summary_row(mode, latency_mean=latency, accuracy_mean=acc) for mode, latency, acc in values]
    prepared = pareto_figure(rows)
    assert [point.on_frontier for point in prepared.points] == [True, True, False, True]
    corners = [
        (1.0, prepared.y.low),
        (1.0, 70),
        (2.0, 70),
        (2.0, 80),
        (3.0, 80),
        (3.0, 90),
        (prepared.x.high, 90),
    ]
    assert [tuple(map(float, corner)) for corner in prepared.staircase] == [pytest.approx(corner) for corner in corners]
    assert tradeoff_figure(rows, "latency").staircase == ()


def boxed_row(mode: str, latency: float, accuracy: float, chance: object = None, **values: object) -> dict[str, object]:
    """Make a row with t intervals of 20 % of the latency and 2 points of the accuracy on either side."""
    intervals = {
        "latency_mean": latency,
        "latency_ci95_t_low": 0.8 * latency,
        "latency_ci95_t_high": 1.2 * latency,
        "accuracy_mean": accuracy,
        "accuracy_ci95_t_low": accuracy - 0.02,
        "accuracy_ci95_t_high": accuracy + 0.02,
        "p_on_pareto_frontier": chance,
    }
    return summary_row(mode, latency_ci95=0.1 * latency, accuracy_ci95=0.01) | intervals | values


def test_boxes_are_the_t_intervals_in_the_units_of_the_axes() -> None:
    """Each setup has a box of both t intervals in the plot of the frontier, inside the axes; other plots have none."""
    rows = [boxed_row("float32", 2e-6, 0.9), boxed_row("int8", 1e-6, 0.8)]
    prepared = pareto_figure(rows)
    first, second = prepared.points
    assert first.x_box == pytest.approx((1.6, 2.4))
    assert first.y_box == pytest.approx((88, 92))
    assert second.x_box == pytest.approx((0.8, 1.2))
    assert second.y_box == pytest.approx((78, 82))
    for point in prepared.points:
        assert point.x_box is not None
        assert point.y_box is not None
        assert prepared.x.low < point.x_box[0] < point.x_bar[0]  # type: ignore[index]  # there is a bar
        assert prepared.x.high > point.x_box[1]
        assert prepared.y.low < point.y_box[0]
        assert prepared.y.high > point.y_box[1]
    assert all(point.x_box is point.y_box is None for point in tradeoff_figure(rows, "latency").points)
    assert "boxes" not in tradeoff_figure(rows, "latency").footnote


def test_no_accuracy_is_drawn_beyond_what_it_can_be() -> None:
    """Boxes, bars and the axis end at 0 and 100 %, however wide the interval of a few runs is."""
    wide = {"accuracy_ci95": 2.0, "accuracy_ci95_t_low": -0.75, "accuracy_ci95_t_high": 1.63}
    rows = [boxed_row("float32", 0.4e-6, 0.44) | wide, boxed_row("int8", 0.3e-6, 0.4)]
    prepared = pareto_figure(rows)
    (widest, _) = prepared.points
    assert (widest.y_box, widest.y_bar) == ((0, 100), (0, 100))
    assert -20 < prepared.y.low < 0
    assert 100 < prepared.y.high < 120


@pytest.mark.parametrize(
    "values",
    [{"repeats": 1}, {"latency_ci95_t_low": None}, {"latency_ci95_t_high": math.nan}, {"latency_ci95_t_low": ""}],
)
def test_a_setup_without_an_interval_has_no_box(values: dict[str, object]) -> None:
    """One repeat, or a bound that is missing, leaves the box out, and the footnote does not speak of any."""
    prepared = pareto_figure([boxed_row("int8", 1e-6, 0.8, **values)])
    assert prepared.points[0].x_box is None
    assert "boxes" not in prepared.footnote


@pytest.mark.parametrize(
    ("chance", "label"),
    [
        (1.0, "int8, P > 0.99"),
        (0.995, "int8, P > 0.99"),
        (0.5, "int8, P 0.50"),
        (0.004, "int8, P < 0.01"),
        (0.0, "int8, P < 0.01"),
        (math.nan, "int8"),
        (None, "int8"),
        ("", "int8"),
    ],
)
def test_labels_tell_the_probability_of_being_on_the_frontier(chance: object, label: str) -> None:
    """Never 0 or 1, and nothing where it is not known; only the plot of the frontier says it."""
    rows = [boxed_row("int8", 1e-6, 0.8, chance)]
    assert pareto_figure(rows).points[0].label == label
    assert tradeoff_figure(rows, "latency").points[0].label == "int8"


def test_the_footnote_of_the_frontier_says_what_boxes_and_probabilities_are() -> None:
    """Frontier, P, boxes and bars are explained as far as they are there."""
    bars = "bars: 95 % interval of the mean over 5 repeats, 1.96 × standard error"
    assert pareto_figure([boxed_row("int8", 1e-6, 0.8, 0.7)]).footnote == (
        f"frontier: by the means; P: probability of being on it, given the repeats; boxes: 95 % t intervals; {bars}"
    )
    assert pareto_figure([boxed_row("int8", 1e-6, 0.8)]).footnote == (
        f"frontier: by the means alone; boxes: 95 % t intervals; {bars}"
    )


def test_sequential_intervals_are_called_so() -> None:
    """Where the intervals said when to stop, the footnote says it, in every plot; with one repeat there are none."""
    row = boxed_row("int8", 1e-6, 0.8, interval_method="sequential t")
    told = "intervals are sequential: repeats went on until they were narrow"
    assert pareto_figure([row]).footnote.endswith(told)
    assert tradeoff_figure([row], "memory").footnote.endswith(told)
    assert "sequential" not in tradeoff_figure([row | {"repeats": 1}], "memory").footnote
    assert "sequential" not in pareto_figure([row | {"interval_method": "t"}]).footnote


def test_equal_points_are_on_the_frontier_and_seen() -> None:
    """Of equal points, each knows how many are drawn over it, and all are members."""
    points = pareto_figure([summary_row(mode) for mode in MODES[:3]]).points
    assert [point.n_covering for point in points] == [2, 1, 0]
    assert all(point.on_frontier for point in points)


def test_tiny_difference_does_not_fill_the_axis() -> None:
    """A difference of 0.01 percentage points stays small on an axis of at least one percentage point."""
    rows = [summary_row("float32", accuracy_mean=0.9900, accuracy_ci95=0.0)]
    rows += [summary_row("float16", accuracy_mean=0.9901, accuracy_ci95=0.0)]
    axis = tradeoff_figure(rows, "latency").y
    assert axis.high - axis.low >= 1.0
    assert axis.tick_labels == ("98.50", "98.75", "99.00", "99.25", "99.50")


def test_ticks_stay_in_what_can_occur() -> None:
    """No tick is below zero or above 100 %, even where a bar or the margin reaches beyond."""
    row = summary_row("float32", accuracy_mean=1.0, accuracy_ci95=0.02, memory_mean=1.0, memory_ci95=1.5)
    prepared = tradeoff_figure([row], "memory")
    assert prepared.y.high > 100.0
    assert max(prepared.y.ticks) == 100.0
    assert prepared.x.low < -0.5
    assert min(prepared.x.ticks) == 0.0


def test_wide_range_is_logarithmic_and_says_so() -> None:
    """Latencies that differ by orders of magnitude get a log scale, named in the label."""
    rows = [
        summary_row("int8", latency_mean=1e-7, latency_ci95=1e-9),
        summary_row("float16", latency_mean=3e-5),
    ]
    rows[1]["latency_ci95"] = 1e-6
    axis = tradeoff_figure(rows, "latency").x
    assert axis.is_log
    assert axis.label == "Inference latency per sample (µs, log scale)"
    assert axis.tick_labels == ("0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50")


def test_bars_to_zero_forbid_a_log_scale() -> None:
    """An interval that reaches zero cannot be drawn on a log scale, so the axis stays linear."""
    rows = [
        summary_row("int8", latency_mean=0.1, latency_ci95=0.2),
        summary_row("float16", latency_mean=30.0),
    ]
    assert not tradeoff_figure(rows, "latency").x.is_log


@given(
    st.lists(
        st.tuples(st.floats(1e-12, 1e9), st.just(0.0) | st.floats(1e-9, 1.0), st.floats(0.0, 0.5), st.integers(1, 9)),
        min_size=1,
        max_size=8,
    )
)
def test_axes_hold_all_points_and_bars(values: list[tuple[float, float, float, int]]) -> None:
    """Whatever the values, all points and bars are inside the limits, between ticks that read as they are."""
    rows = [
        summary_row("int8", repeats=n, latency_mean=x, latency_ci95=x * part, accuracy_mean=y, accuracy_ci95=part / 10)
        for x, y, part, n in values
    ]
    prepared = pareto_figure(rows)
    for point in prepared.points:
        for axis, value, bar in ((prepared.x, point.x, point.x_bar), (prepared.y, point.y, point.y_bar)):
            low, high = bar or (value, value)
            assert axis.low < low <= value <= high < axis.high
    for axis in (prepared.x, prepared.y):
        assert 2 <= len(axis.ticks) <= 12
        assert len(set(axis.tick_labels)) == len(axis.ticks)
        assert all(a < b for a, b in pairwise(axis.ticks))
        for tick, label in zip(axis.ticks, axis.tick_labels, strict=True):
            assert float(label) == pytest.approx(tick, rel=1e-4, abs=1e-9)


def test_cells_of_the_csv_are_welcome() -> None:
    """Rows read back from the CSV, all text, give the same figure as the numbers."""
    row = summary_row("int8", energy_mean=None, energy_std=None, energy_ci95=None)
    as_text = {key: "" if value is None else str(value) for key, value in row.items()}
    assert tradeoff_figure([as_text], "memory") == tradeoff_figure([row], "memory")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency_mean": "fast"}, r"row of 'int8': latency_mean is 'fast'; it must be a number"),
        ({"latency_mean": [1.0]}, r"row of 'int8': latency_mean is \[1.0\]"),
        ({"repeats": None}, r"row of 'int8': repeats is None; it must be a count"),
        ({"precision_mode": None}, r"summary row 1: precision_mode is missing"),
    ],
)
def test_rows_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    """An error names the row, the key and the value."""
    with pytest.raises(ValueError, match=message):
        tradeoff_figure([summary_row("float32"), summary_row("int8") | change], "latency")


def test_figures_are_immutable() -> None:
    """Prepared values cannot be changed on their way to the page."""
    prepared: TradeoffFigure = tradeoff_figure([summary_row("float32")], "latency")
    with pytest.raises(AttributeError):
        prepared.footnote = "changed"  # type: ignore[misc]


EXTREMES = (1e308, -1.7e308, 5e-324, 1e-320, 1e-300, 1e300, -1.0, 0.0, 1e99, 1e-99, math.inf, -math.inf, "1e308")


@pytest.mark.parametrize("metric", ["latency", "accuracy"])
@pytest.mark.parametrize("value", EXTREMES)
def test_no_mean_is_too_large_or_too_small_for_a_figure(metric: str, value: object) -> None:
    """Whatever a mean is, axes are finite and hold every point; what has no place on them is named below."""
    rows = [summary_row("float32") | {f"{metric}_mean": value}, summary_row("int8")]
    for prepared in (tradeoff_figure(rows, "latency"), pareto_figure(rows)):
        for axis, at in ((prepared.x, "x"), (prepared.y, "y")):
            assert math.isfinite(axis.low)
            assert math.isfinite(axis.high)
            assert all(axis.low <= getattr(point, at) <= axis.high for point in prepared.points)
        drawn = len(prepared.points) == 2
        assert drawn == (value in {-1.0, 0.0, 1e99, 1e-99})
        assert drawn != any(note.startswith("float32: ") for note in prepared.notes)


def test_what_cannot_be_drawn_is_named_with_its_value() -> None:
    """The note says which number it is; a half-width of that size is an interval that is not given."""
    rows = [summary_row("float32", latency_mean=1e308), summary_row("int8", latency_ci95=1e308)]
    assert tradeoff_figure(rows, "latency").notes == (
        "float32: inference latency per sample 1e+308 cannot be drawn",
        "int8: interval not given",
    )


def test_notes_that_differ_in_their_mode_alone_are_one() -> None:
    """Modes of which the same is to be said are named together."""
    rows = [*(summary_row(mode, latency_ci95="") for mode in ("float32", "int8")), failed_row("float16")]
    assert tradeoff_figure(rows, "latency").notes == ("float32, int8: interval not given", "float16: no finished run")
