"""Behaviour of axes: where their ticks are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.ticker import MaxNLocator

from significand.present.axes import choose_axis
from significand.present.rows import Cell


@given(
    centre=st.floats(-1e9, 1e9, allow_subnormal=False).filter(lambda value: value == 0 or abs(value) > 1e-9),
    share=st.floats(0.0, 3.0),
)
def test_ticks_are_those_of_matplotlib(centre: float, share: float) -> None:
    """On a linear axis they are at the round numbers that Matplotlib chooses for the same limits."""
    axis = choose_axis(
        "cost", [], [Cell(centre, abs(centre) * share)], possible=(0.0 if centre >= 0 else -math.inf, math.inf)
    )
    chosen = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(axis.low, axis.high)
    floor = 0.0 if centre >= 0 else axis.low
    wanted = [tick for tick in chosen if max(axis.low, floor) <= tick <= axis.high]
    assert list(axis.ticks) == pytest.approx(wanted, rel=1e-9, abs=1e-9 * (axis.high - axis.low))
