"""Which setup to ship: what is shown, what is open, and what nobody can have."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from significand.analysis.choose import Choice, Limit, choose
from significand.analysis.loss import Flips, Loss

Floats = NDArray[np.float64]
NOTHING = Loss(None)


def flips(lost: float, n: float = 2000) -> Loss:
    """Return evidence of so many answers lost."""
    return Loss(Flips(lost, 0, n), n=round(n))


def costs(*logs: float, repeats: int = 10, spread: float = 0.03, seed: int = 0) -> Floats:
    """Return logs of costs around these, that of the reference first."""
    return np.array([0.0, *logs]) + spread * np.random.default_rng(seed).normal(size=(repeats, len(logs) + 1))


def decided(logs: Floats, *losses: Loss, margin: float = 0.01, limits: tuple[Limit, ...] = ()) -> Choice:
    """Return the choice with the first setup as reference."""
    return choose(logs, 0, [NOTHING, *losses], margin, limits)


def test_the_cheapest_feasible_setup_is_shipped() -> None:
    """The cheapest of all loses too much, the next keeps the margin, another is dearer."""
    choice = decided(costs(-0.9, -0.5, -0.3), flips(100), flips(1), flips(0))
    assert (choice.verdict, choice.chosen) == ("ship", 2)
    assert [one.status for one in choice.candidates] == ["reference", "ruled out", "feasible", "feasible"]
    assert choice.candidates[2].p_best > 0.95
    assert [one.among_best for one in choice.candidates] == [False, False, True, False]


def test_the_reference_is_kept_where_nothing_else_is_cheaper() -> None:
    """Also where all others lose nothing."""
    choice = decided(costs(0.2, 0.3), flips(0), flips(0))
    assert (choice.verdict, choice.chosen, choice.possible) == ("keep", 0, [])


def test_a_tiny_saving_is_not_waited_for() -> None:
    """A tenth of a per cent in noise of three would take thousands of repeats: keep what there is."""
    logs = costs(0.0)
    logs[:, 1] -= logs[:, 1].mean() - logs[:, 0].mean() + 0.001
    assert decided(logs, flips(0)).verdict == "keep"


def test_what_may_be_feasible_leaves_it_open_and_says_what_would_decide() -> None:
    """Two setups are surely cheaper, and of neither is it shown how little it loses."""
    choice = decided(costs(-0.5, -0.4), flips(1, 360), flips(1, 300))
    assert (choice.verdict, choice.chosen, choice.possible) == ("undecided", 0, [1, 2])
    assert choice.more.examples is not None
    assert choice.more.repeats is None
    assert [one.status for one in choice.candidates[1:]] == ["open", "open"]


def test_one_repeat_cannot_show_a_lower_cost() -> None:
    """Its loss may be known by examples; a single ratio has no spread."""
    choice = decided(costs(-0.5, repeats=1), flips(0))
    assert (choice.verdict, choice.possible) == ("undecided", [1])
    assert math.isnan(choice.candidates[1].log_low)


def test_one_repeat_is_enough_for_a_fact_of_a_file() -> None:
    """The size of a model has no spread, and needs none."""
    choice = choose(np.log([[4.0, 1.0]]), 0, [NOTHING, flips(0)], 0.01, exact=True)
    assert (choice.verdict, choice.chosen) == ("ship", 1)


def test_what_the_meter_cannot_tell_is_no_saving() -> None:
    """A peak that is surely one per cent lower is not shown to be where the meter may be wrong by two."""
    logs = costs(-0.01, spread=0.001)
    assert choose(logs, 0, [NOTHING, flips(0)], 0.01).verdict == "ship"
    assert choose(logs, 0, [NOTHING, flips(0)], 0.01, blur=np.full(2, 0.02)).verdict == "keep"


def test_a_limit_is_kept_only_where_that_is_shown() -> None:
    """Of two setups that lose nothing, the cheaper breaks the limit."""
    excess = costs(0.5, -0.5, spread=0.01) + 0.1  # the reference breaks it, too
    choice = decided(costs(-0.9, -0.3), flips(0), flips(0), limits=(Limit(excess),))
    assert (choice.verdict, choice.chosen) == ("ship", 2)
    assert choice.candidates[0].status == "ruled out"


def test_a_dearer_setup_is_shipped_where_the_reference_breaks_a_limit() -> None:
    """Whoever sets a limit wants it kept."""
    excess = costs(-0.5, spread=0.01) + 0.1
    choice = decided(costs(0.2), flips(0), limits=(Limit(excess),))
    assert (choice.verdict, choice.chosen) == ("ship", 1)


def test_what_the_meter_cannot_tell_leaves_a_limit_open() -> None:
    """A peak surely below the limit by less than the meter may be wrong is neither shown to keep it nor to break it."""
    below = costs(0.0, spread=0.001) - 0.05
    for blur, status in ((0.0, "feasible"), (0.1, "open")):
        limit = Limit(below, blur=np.full(2, blur))
        assert decided(costs(-0.5), flips(0), limits=(limit,)).candidates[1].status == status
    above = Limit(-below, blur=np.full(2, 0.01))
    assert decided(costs(-0.5), flips(0), limits=(above,)).candidates[1].status == "ruled out"


def test_a_limit_of_a_score_is_judged_as_scores_are() -> None:
    """Ten repeats with the same score are not proof, and what they share makes them fewer."""
    excess = np.full((10, 2), -0.01)
    assert decided(costs(-0.5), flips(0), limits=(Limit(excess, resolution=np.full(2, 0.0001)),)).chosen == 1
    assert (
        decided(costs(-0.5), flips(0), limits=(Limit(excess, resolution=np.full(2, 0.02), shared=0.25),)).chosen is None
    )


def test_a_reference_that_may_keep_a_limit_is_possible() -> None:
    """Nothing else is cheaper: a few more repeats would tell whether to keep it."""
    excess = costs(0.3, repeats=5, spread=0.03) - 0.02
    choice = decided(costs(0.2, repeats=5), flips(0), limits=(Limit(excess),))
    assert choice.candidates[0].status == "open"
    assert (choice.verdict, choice.possible) == ("undecided", [0])
    assert choice.more.repeats is not None


def test_nothing_fits_where_all_break_a_limit() -> None:
    """There is nothing to ship, and nothing to wait for."""
    choice = decided(costs(-0.5), flips(0), limits=(Limit(costs(-0.01, spread=0.001) + 1),))
    assert (choice.verdict, choice.chosen, choice.possible) == ("nothing fits", None, [])


def test_a_setup_without_runs_is_not_looked_at() -> None:
    """It neither counts among the tests nor wins."""
    logs = costs(-0.5, -0.9)
    logs[:, 2] = np.nan
    choice = decided(logs, flips(1), NOTHING)
    assert (choice.verdict, choice.chosen) == ("ship", 1)
    assert choice.candidates[2].status == "not measured"


def test_a_part_of_the_error_is_kept_in_reserve() -> None:
    """What is shown at 4.6 %, and not at 4 %, is not feasible; a little more is."""
    assert 0.04 < flips(12).p_of_more(0.01) < 0.05
    assert decided(costs(-0.5), flips(12)).candidates[1].status == "open"
    assert decided(costs(-0.5), flips(11)).verdict == "ship"


def test_a_lower_cost_is_shown_by_ranks_too() -> None:
    """As in comparisons: of five pairs four are lower and one is not; t is sure of the mean, ranks of nothing."""
    logs = np.zeros((5, 2))
    for last, verdict in ((-0.09, "ship"), (0.001, "undecided")):
        logs[:, 1] = [-0.10, -0.11, -0.12, -0.13, last]
        choice = decided(logs, flips(0))
        assert (choice.verdict, choice.candidates[1].is_cheaper) == (verdict, verdict == "ship")
    assert choice.candidates[1].log_high < 0
    assert choice.more.repeats is not None


def test_a_limit_of_a_cost_is_shown_by_ranks_too() -> None:
    """And one of a score is not, of which t decides."""
    below = np.full((5, 2), -1.0) + 0.01 * np.arange(5)[:, None]
    below[:, 1] = [-0.10, -0.11, -0.12, -0.13, 0.001]
    for is_cost, status in ((True, "open"), (False, "feasible")):
        limit = Limit(below, is_cost=is_cost)
        assert decided(costs(-0.5, repeats=5), flips(0), limits=(limit,)).candidates[1].status == status


def test_more_candidates_make_it_harder() -> None:
    """Holm's method: what is shown alone at 4 % is not among four."""
    alone = flips(11)
    assert 0.0125 < alone.p_of_more(0.01) < 0.05
    assert decided(costs(-0.5), alone).verdict == "ship"
    assert decided(costs(-0.5, -0.1, -0.1, -0.1), alone, *[flips(20)] * 3).verdict == "undecided"


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 4))
def test_what_is_shipped_is_feasible_cheapest_and_among_the_best(seed: int, repeats: int, others: int) -> None:
    """Whatever the data: no candidate that is feasible and shown to be cheaper costs less on average."""
    random = np.random.default_rng(seed)
    logs = costs(*random.normal(-0.2, 0.3, others), repeats=repeats, seed=seed)
    choice = decided(logs, *(flips(int(random.integers(0, 30))) for _ in range(others)))
    if choice.verdict == "ship":
        assert choice.chosen is not None
        chosen = choice.candidates[choice.chosen]
        assert chosen.status == "feasible"
        assert chosen.is_cheaper
        assert chosen.p_feasible <= 0.04
        assert all(one.log_cost >= chosen.log_cost for one in choice.candidates if one.is_cheaper)
    p_best = [one.p_best for one in choice.candidates if math.isfinite(one.p_best)]
    assert sum(p_best) <= 1 + 1e-9


@given(st.integers(0, 1000))
def test_a_wider_margin_never_takes_a_setup_away(seed: int) -> None:
    """What keeps a margin keeps a wider one."""
    random = np.random.default_rng(seed)
    logs, losses = costs(-0.3, -0.2, seed=seed), [flips(int(random.integers(0, 30))) for _ in range(2)]
    narrow, wide = (decided(logs, *losses, margin=margin).candidates for margin in (0.01, 0.02))
    assert all(b.status == "feasible" for a, b in zip(narrow, wide, strict=True) if a.status == "feasible")
