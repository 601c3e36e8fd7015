import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.analysis.steady import FEWEST_ROUNDS, SteadyState, find_steady_state

CALL_S = 2e-4
Shape = Callable[[np.random.Generator], np.ndarray]
TIMES = st.lists(st.floats(1e-7, 1e2), min_size=FEWEST_ROUNDS, max_size=30)


def simulated(shape: Shape, runs: int = 150) -> list[SteadyState]:
    """Judge that many runs of a shape, drawn from a fixed seed."""
    random = np.random.default_rng(20240)
    return [find_steady_state(CALL_S * shape(random)) for _ in range(runs)]


def share(states: list[SteadyState], condition: Callable[[SteadyState], bool | None]) -> float:
    """Return the share of runs for which the condition holds."""
    return float(np.mean([bool(condition(state)) for state in states]))


def noise(random: np.random.Generator, rounds: int, spread: float) -> np.ndarray:
    """Return factors around 1 with normal logarithms."""
    return np.exp(spread * random.normal(size=rounds))


def disturbed(random: np.random.Generator, rounds: int, spread: float) -> np.ndarray:
    """Return noise with one round, anywhere, that took 30 % longer."""
    factors = noise(random, rounds, spread)
    factors[random.integers(rounds)] *= 1.3
    return factors


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [6, 10, 20, 50])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda random, rounds: noise(random, rounds, 0.01), id="normal-1%"),
        pytest.param(lambda random, rounds: noise(random, rounds, 0.03), id="normal-3%"),
        pytest.param(lambda random, rounds: np.exp(0.05 * random.standard_t(3, rounds)), id="heavy-tails-5%"),
        pytest.param(lambda random, rounds: disturbed(random, rounds, 0.01), id="one-disturbed"),
    ],
)
def test_steady_runs_are_called_steady(shape: Callable[[np.random.Generator, int], np.ndarray], rounds: int) -> None:
    """Noise around one level is steady from the first round, in all but a few runs of a hundred."""
    states = simulated(lambda random: shape(random, rounds))
    assert share(states, lambda state: state == SteadyState(True, 0, "")) >= 0.95


@pytest.mark.parametrize("often", [0.15, 0.5])
@pytest.mark.parametrize(("rounds", "cut", "unsteady"), [(10, 0.08, 0.2), (20, 0.06, 0.1), (40, 0.03, 0.05)])
def test_rounds_that_jump_between_two_levels_mostly_count(
    rounds: int, often: float, cut: float, unsteady: float
) -> None:
    """A neighbour who comes and goes is noise, no warm-up: few runs lose rounds for it."""

    def shape(random: np.random.Generator) -> np.ndarray:
        return noise(random, rounds, 0.01) * np.where(random.random(rounds) < often, 1.25, 1.0)

    states = simulated(shape)
    assert share(states, lambda state: state.first_round > 0) <= cut
    assert share(states, lambda state: state.steady is False) <= unsteady


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [9, 10, 12])
def test_a_disturbed_round_hides_no_step(rounds: int) -> None:
    """Beside a round that took 30 % longer, a warm-up and a late step of 10 % are still found."""

    def warm_up(random: np.random.Generator) -> np.ndarray:
        return disturbed(random, rounds, 0.01) * np.where(np.arange(rounds) < 3, 1.1, 1.0)

    def late(random: np.random.Generator) -> np.ndarray:
        return disturbed(random, rounds, 0.01) * np.where(3 * np.arange(rounds) >= 2 * rounds, 1.1, 1.0)

    assert share(simulated(warm_up), lambda state: state.first_round > 0) >= 0.95
    assert share(simulated(late), lambda state: state.steady is False) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "warm_up", "found"), [(0.01, 2, 0.95), (0.01, 3, 0.95), (0.03, 3, 0.9)])
def test_warm_up_is_found_and_the_rest_is_steady(spread: float, warm_up: int, found: float) -> None:
    """Of ten rounds of which the first few take 20 % longer, exactly these do not count."""

    def shape(random: np.random.Generator) -> np.ndarray:
        return noise(random, 10, spread) * np.where(np.arange(10) < warm_up, 1.2, 1.0)

    assert share(simulated(shape), lambda state: state.steady and state.first_round == warm_up) >= found


def test_fading_warm_up_ends() -> None:
    """Times that fall exponentially to a level are steady at last, and the first rounds do not count."""

    def shape(random: np.random.Generator) -> np.ndarray:
        return noise(random, 20, 0.01) * (1 + 0.5 * np.exp(-np.arange(20) / 2))

    assert share(simulated(shape), lambda state: state.steady and 4 <= state.first_round <= 10) >= 0.95


@pytest.mark.parametrize("factor", [1.3, 0.7])
def test_a_late_step_leaves_no_steady_state(factor: float) -> None:
    """A level that begins after the middle is no steady state, and all rounds count."""

    def shape(random: np.random.Generator) -> np.ndarray:
        return noise(random, 10, 0.02) * np.where(np.arange(10) < 7, 1.0, factor)

    assert share(simulated(shape), lambda state: state.steady is False and state.first_round == 0) >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("end", [1.1, 0.9])
def test_drift_is_no_steady_state(end: float) -> None:
    """Times that change steadily by 10 % over ten rounds are not steady, and mostly called a trend."""
    word = "grow" if end > 1 else "fall"
    states = simulated(lambda random: noise(random, 10, 0.01) * np.linspace(1, end, 10))
    assert share(states, lambda state: state.steady is False) >= 0.95
    assert share(states, lambda state: f"times {word} by" in state.reason) >= 0.85


def test_reasons_name_rounds_from_one_and_factors() -> None:
    """The words say which rounds differ, and by how much."""
    warm = find_steady_state([1.21, 1.21, 1.21, *7 * [1.0]])
    assert warm == SteadyState(True, 3, "rounds 1 to 3 were warm-up: 1.21 times the later ones")
    quick = find_steady_state([0.8, 0.8, *8 * [1.0]])
    assert quick == SteadyState(True, 2, "rounds 1 to 2 were quicker: 0.80 times the later ones")
    step = find_steady_state([*7 * [1.0], *3 * [1.34]])
    assert step == SteadyState(False, 0, "the level changed at round 8 of 10, by a factor of 1.34; no level lasted")
    trend = find_steady_state(np.geomspace(1, 1.06, 10))
    assert trend == SteadyState(False, 0, "times grow by 6 % over the rounds")


def test_a_trend_after_the_warm_up_is_no_steady_state() -> None:
    """Rounds that fall to a level and then drift by a fifth are not steady, whatever the words."""

    def shape(random: np.random.Generator) -> np.ndarray:
        factors: np.ndarray = noise(random, 24, 0.01) * np.concatenate([4 * [3.0], np.geomspace(1, 1.2, 20)])
        return factors

    assert share(simulated(shape), lambda state: state.steady is False) >= 0.95


def test_words_of_a_trend_after_the_warm_up() -> None:
    """Where the last level is a trend, the words say from which round on."""
    rises = np.exp(0.03 * np.array([0, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7]) / 7)
    state = find_steady_state([*4 * [3.0], *rises])
    assert state == SteadyState(False, 0, "times grow by 2.4 % over the rounds from round 5 on")


@pytest.mark.parametrize(("rounds", "begins", "steady"), [(10, 4, True), (10, 5, False), (11, 5, True), (11, 6, False)])
def test_the_last_level_must_begin_before_the_middle(rounds: int, begins: int, steady: bool) -> None:
    """A level of just half of the rounds, or less, is none that lasted; one round more and it is."""
    assert find_steady_state([*begins * [1.3], *(rounds - begins) * [1.0]]).steady is steady


def test_six_rounds_can_show_a_trend() -> None:
    """The fewest rounds that are judged are enough to call a drift one: Kendall's p of six in order is 2 / 6!."""
    state = find_steady_state(np.geomspace(1, 1.1, FEWEST_ROUNDS))
    assert state == SteadyState(False, 0, "times grow by 10 % over the rounds")


def test_what_does_not_matter_is_no_change() -> None:
    """Exact steps and trends of less than 2 % are steady; of more, they are not."""
    assert find_steady_state([*5 * [1.0], *5 * [1.019]]).reason == ""
    assert find_steady_state([*6 * [1.0], *4 * [1.021]]).steady is False
    assert find_steady_state(np.geomspace(1, 1.019, 10)).reason == ""


def test_single_disturbed_round_is_no_level() -> None:
    """One slow round is neither warm-up nor a step, wherever it is."""
    for at in range(10):
        assert find_steady_state([1.5 if i == at else 1.0 for i in range(10)]) == SteadyState(True, 0, "")


@pytest.mark.parametrize("rounds", [0, 1, 4, 5])
def test_too_few_rounds_tell_nothing(rounds: int) -> None:
    """Under six rounds it is neither steady nor unsteady."""
    state = find_steady_state(rounds * [1.0])
    assert state == SteadyState(None, 0, f"too few rounds to tell ({rounds}; at least 6)")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_what_is_no_time_is_left_out(bad: float) -> None:
    """Rounds without a time are passed over; the others keep their numbers."""
    assert find_steady_state([1.2, bad, 1.2, 1.2, *8 * [1.0]]) == SteadyState(
        True, 4, "rounds 1 to 4 were warm-up: 1.20 times the later ones"
    )
    assert find_steady_state([bad, *5 * [1.0]]).reason == "too few rounds to tell (5; at least 6)"


@given(st.lists(st.floats(), max_size=30))
def test_no_numbers_break_it(values: list[float]) -> None:
    """Whatever the numbers, the answer is defined, without warnings, and the first round is one of the first half."""
    state = find_steady_state(values)
    assert (state.first_round > 0) <= (state.steady is True)
    assert (state.reason == "") == (state.steady is True and state.first_round == 0)
    assert 0 <= state.first_round < max(1, len(values))


@given(TIMES, st.integers(-20, 20))
def test_unit_does_not_matter(times: list[float], power: int) -> None:
    """The same rounds in another unit are judged alike, up to rounding in the words."""
    first = find_steady_state(np.array(times))
    second = find_steady_state(np.array(times) * 2.0**power)
    assert (first.steady, first.first_round) == (second.steady, second.first_round)


@given(st.floats(1e-300, 1e300), st.integers(FEWEST_ROUNDS, 200))
def test_identical_times_are_steady(time_s: float, rounds: int) -> None:
    """Without any spread there is one level."""
    assert find_steady_state(rounds * [time_s]) == SteadyState(True, 0, "")
