"""Behaviour of the search for levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.levels import best_starts, squares_around_levels


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(6, 60),
    st.integers(1, 3),
    st.floats(0.1, 20.0),
    st.sampled_from([0.0, 3.0, 1e5]),
)
def test_levels_are_those_of_an_independent_program(
    seed: int, n: int, shortest: int, penalty: float, offset: float
) -> None:
    """Ruptures (KernelCPD with the linear kernel: PELT in C) cuts random steps at the same places."""
    from ruptures import KernelCPD  # noqa: PLC0415 - takes a second

    random = np.random.default_rng(seed)
    series = offset + random.normal(size=n) + np.repeat(random.normal(scale=3.0, size=n // 5 + 1), 5)[:n]
    ends = KernelCPD(kernel="linear", min_size=shortest).fit(series - series[0]).predict(pen=penalty)
    theirs, ours = [0, *ends[:-1]], best_starts(series, shortest, penalty)

    def cost(starts: list[int]) -> float:
        return squares_around_levels(series, starts) + penalty * len(starts)

    assert cost(ours) <= cost(theirs) * (1 + 1e-9)
    if len(ours) == len(theirs) and not np.isclose(cost(ours), cost(theirs), rtol=1e-12):
        assert ours == theirs
    assert min(np.diff([*ours, n])) >= shortest


@pytest.mark.parametrize(
    ("series", "starts"), [([1.0, 1.0, 1.0, 5.0, 5.0, 5.0], [0, 3]), ([2.0] * 6, [0]), ([1.0, 2.0], [0])]
)
def test_a_step_is_found_where_it_is(series: list[float], starts: list[int]) -> None:
    """A level begins at its first value; without a change there is one."""
    assert best_starts(np.array(series), 2, 1.0) == starts
