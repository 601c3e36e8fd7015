from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up_pages import made_up_details, made_up_experiment
from significand.answers.folder import Folder
from significand.present.page.calls import CallsFigure, calls_figure
from significand.present.page.setups import setups_of
from significand.present.page.times import read_times
from significand.results.store import DETAILS


def figure_of(results: Folder) -> CallsFigure:
    """Prepare the distributions of an results's calls."""
    return calls_figure(read_times(results, setups_of(results))[0], results.experiment.batch_size)


def calls_of(results: Folder, mode: str) -> np.ndarray:
    """Return all calls of a mode in microseconds."""
    paths = sorted((results.path / DETAILS).glob(f"r???-{mode}.npz"))
    return 1e6 * np.concatenate([np.load(path)["call_latency_s"] for path in paths])


def test_percentiles_come_from_all_calls(tmp_path: Path) -> None:
    """A hundred thousand calls make a few bars, and the percentiles are those of all of them."""
    results = made_up_experiment(tmp_path / "a", ["float32"], n=2, details={"rounds": 10, "calls": 5000})
    figure = figure_of(results)
    one, calls = figure.distributions[0], calls_of(results, "float32")
    assert one.calls == calls.size == 100_000
    assert one.percentiles == pytest.approx(np.percentile(calls, [50, 95, 99]))
    assert one.slowest == pytest.approx(calls.max())
    assert len(one.bars) <= 140
    assert len(one.slow) <= 120
    assert min(one.slow) > one.percentiles[-1]
    assert one.beyond == np.count_nonzero(calls > figure.x.high)


def test_bars_hold_every_call_of_the_axis(tmp_path: Path) -> None:
    """The highest bar is 1, and bars neither overlap nor leave the axis."""
    figure = figure_of(made_up_experiment(tmp_path / "a", details={}))
    for one in figure.distributions:
        assert max(height for *_, height in one.bars) == 1.0
        assert all(a[1] <= b[0] * (1 + 1e-12) for a, b in zip(one.bars, one.bars[1:], strict=False))
        assert figure.x.low * (1 - 1e-9) <= one.bars[0][0]
        assert one.bars[-1][1] <= figure.x.high * (1 + 1e-9)


def test_rounds_before_the_steady_state_do_not_count(tmp_path: Path) -> None:
    """The distribution is of the calls that the latency is made of."""
    results = made_up_experiment(tmp_path / "a", details={"rounds": 6, "calls": 10}, columns={"steady_from_round": 2})
    assert [one.calls for one in figure_of(results).distributions] == [4 * 40] * 3


def test_percentiles_of_calls_timed_together_are_unknown(tmp_path: Path) -> None:
    """Groups of calls have a spread of their own: the caption says what the bars are, and no line is drawn."""
    results = made_up_experiment(tmp_path / "a", ["int8"], details={"calls": 10}, columns={"calls_per_timing": 8})
    figure = figure_of(results)
    assert figure.distributions[0].percentiles == ()
    assert figure.distributions[0].calls == 8 * 240
    assert figure.table[0].of_calls == ("–", "–", "–")
    assert "timed 8 at a time" in figure.caption
    assert "percentiles of calls are unknown" in figure.caption


def test_one_call_that_took_a_thousand_times_as_long_does_not_hide_the_others(tmp_path: Path) -> None:
    """The axis ends where nearly all calls do; what lies beyond is counted, and the slowest is in the table."""
    results = made_up_experiment(tmp_path / "a", ["float32"], n=1, details={})
    arrays = made_up_details(0, calls=1000)
    arrays["call_latency_s"][0] = 0.064
    np.savez(results.path / DETAILS / "r000-float32.npz", **arrays)  # type: ignore[arg-type]
    figure = figure_of(results)
    assert figure.x.high < 200
    assert figure.distributions[0].beyond >= 1
    assert "Beyond the chart" in figure.caption
    assert figure.table[0].slowest == "64000"


def test_a_mode_without_single_times_keeps_what_its_runs_say(tmp_path: Path) -> None:
    """Percentiles of the runs stand in the table with their intervals, calls are a dash."""
    columns = {"batch_latency_p50_s": 5e-5, "batch_latency_p95_s": 6e-5, "batch_latency_p99_s": 7e-5}
    figure = figure_of(made_up_experiment(tmp_path / "a", columns=columns))
    assert figure.distributions == ()
    assert figure.table[0].calls == "–"
    assert [text.partition("±")[0] for text in figure.table[0].of_runs] != ["–"] * 3


def test_figures_are_immutable(tmp_path: Path) -> None:
    """Prepared values cannot be changed on their way to the page."""
    figure = figure_of(made_up_experiment(tmp_path / "a"))
    with pytest.raises(AttributeError):
        figure.caption = "changed"  # type: ignore[misc]
    assert replace(figure, caption="changed") != figure
