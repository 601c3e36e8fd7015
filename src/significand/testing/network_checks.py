"""Checks of what an engine does with a network in a mode. Each raises `AssertionError`, and says what to mend."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from significand.analysis.rounding import check_error, output_sensitivity
from significand.engines.base import profile
from significand.engines.operators import CALL, UNKNOWN
from significand.plan.precision import MODES
from significand.plan.setup import Perceptron
from significand.testing.case import BATCH, Case, arrays_of, fail, largest_error
from significand.workload.arrays import Feeds

SHORT = 3
"""Examples of the last batch, where there are no more."""

FACTOR = 2.0
"""By how much multiply-adds may be off: what a graph leaves open is estimated."""

PROFILED_CALLS = 5
LONGER = 1.1
ROUNDED_S = 1e-6
"""By how much operators may take longer than the call that they are parts of: clocks differ, and some count in us."""

FORMATS = frozenset({*(mode.infers_in for mode in MODES.values()), "int16", "int32", "int64", UNKNOWN})
"""What products may be said to compute in."""


def saves_and_opens(case: Case) -> None:
    """What is written is a file at the path, or says why not, and opens as a session, also a second time."""
    told = case.told
    sentences = told if isinstance(told, list | tuple) else [told]
    if told is not None and (sentences == [told] or not all(isinstance(one, str) for one in sentences)):
        fail(f"{case}: save returned {told!r}; return None, or a sequence of sentences")
    if not case.path.is_file():
        fail(f"{case}: save wrote no file {case.path.name}; write it to the path that is given")
    for session in (case.session, case.engine.open(case.path, case.setup)):
        if lacking := [name for name in ("bind", "predict") if not callable(getattr(session, name, None))]:
            fail(f"{case}: open gave {session!r} without {' and '.join(lacking)}; return a Session")


def agrees_with_the_yardstick(case: Case) -> None:
    """Outputs are those of the weights in float64, to the accuracy of the format that it says it computed in."""
    _hold_near(case, case.session.predict(case.feeds()), case.reference, "outputs differ from the yardstick")


def is_no_finer_than_it_says(case: Case) -> None:
    """The error of the outputs is not smaller than the format can be from which the engine says that it comes."""
    assert isinstance(case.workload.value, Perceptron)  # noqa: S101 - as `NEEDED_BY` says
    outputs, reference = case.session.predict(case.feeds()), case.reference
    error = min(largest_error(outputs, reference), case.limit)  # too large an error is another check's
    sensitivity = output_sensitivity(reference[0], case.workload.value.activations[-1])
    problem = check_error(error, case.mode.infers_in, case.formats, case.workload.value.layer_sizes, sensitivity)
    if "below" in problem:
        fail(f"{case}: {problem}; have computes_in look at what runs, and never at what was asked for")


def goes_by_names(case: Case) -> None:
    """Inputs are taken by their names, in whatever order they come; outputs come in the order of the network's."""
    reversed_feeds = dict(reversed(list(case.feeds().items())))
    outputs = case.session.predict(reversed_feeds)
    wanted = [one.shape for one in case.reference]
    if (got := [np.shape(one) for one in outputs]) != wanted:
        fail(f"{case}: outputs of the shapes {got}, and the network's are {wanted}; give all, in its order")
    what = f"inputs given in the order {', '.join(reversed_feeds)} give other outputs"
    _hold_near(case, outputs, case.reference, what)


def takes_any_batch(case: Case) -> None:
    """One example alone, or the few of a last batch, give what they give among several."""
    among = case.session.predict(case.feeds())
    for n in (1, SHORT):
        wanted = [output[:n] for output in among]
        _hold_near(case, case.session.predict(case.feeds(n)), wanted, f"{n} of {BATCH} examples give other outputs")


def gives_plain_arrays(case: Case) -> None:
    """Outputs are NumPy arrays, examples first: real numbers as float64, integers as they are."""
    outputs = case.session.predict(case.feeds())
    for at, output in enumerate(outputs):
        if not isinstance(output, np.ndarray):
            fail(f"{case}: output {at} is a {type(output).__name__}; return NumPy arrays")
        if output.dtype.kind not in "biu" and output.dtype != np.float64:
            fail(f"{case}: output {at} is {output.dtype}; return real numbers as float64")
        if output.shape[:1] != (BATCH,):
            fail(f"{case}: output {at} has the shape {output.shape}; its first axis is to be the {BATCH} examples")
    got, wanted = (sum(one.dtype.kind in "biu" for one in some) for some in (outputs, case.reference))
    if got != wanted:
        fail(f"{case}: {got} of the outputs are integers, and {wanted} of the network's; return integers as they are")


def binds_a_call(case: Case) -> None:
    """A bound call takes no arguments, gives the same twice, and what `predict` gives."""
    call = case.session.bind(case.feeds())
    first, second = arrays_of(call()), arrays_of(call())
    if first:
        _hold_near(case, second, first, "a second call gives something else")
    if len(first) == len(case.reference):
        _hold_near(case, first, case.session.predict(case.feeds()), "the bound call gives other outputs than predict")


def forgets_earlier_calls(case: Case) -> None:
    """What a batch gives does not depend on what was computed before, nor on what is bound."""
    session = case.session
    before, bound = [np.array(one) for one in session.predict(case.feeds())], arrays_of(session.bind(case.feeds())())
    call = session.bind(case.feeds())
    session.bind(case.feeds(other=True))()
    others = session.predict(case.feeds(other=True))
    if not case.workload.has_several:  # or their order would be found wrong here, too
        _hold_near(case, others, case.other_reference, "outputs of a second batch differ from the yardstick")
    _hold_near(case, session.predict(case.feeds()), before, "after another batch, predict gives something else")
    if bound:
        _hold_near(case, arrays_of(call()), bound, "after another batch, a bound call gives something else")


def leaves_feeds_alone(case: Case) -> None:
    """Arrays that are given are as they were afterwards."""
    feeds, session = case.feeds(), case.session
    _hold_equal(case, "bind", feeds, case.feeds(), session.bind(feeds))
    _hold_equal(case, "predict", feeds, case.feeds(), lambda: session.predict(feeds))
    _hold_equal(case, "computes_in", feeds, case.feeds(), lambda: case.engine.computes_in(case.path, case.setup, feeds))


def names_its_operators(case: Case) -> None:
    """Operators have a name each, a format that is known or unknown where they multiply, and work."""
    names = [one.name for one in case.operators]
    if "" in names or len(set(names)) < len(names):
        twice = sorted({name for name in names if not name or names.count(name) > 1})
        fail(f"{case}: operators are called {', '.join(map(repr, twice))} more than once, or nothing; name each")
    for one in case.operators:
        if one.format and one.format not in FORMATS:
            fail(f"{case}: {one.name} computes in {one.format!r}; give one of {', '.join(sorted(FORMATS))}")
        if one.format and not 1 <= one.multiply_adds < math.inf:
            fail(f"{case}: {one.name} multiplies, in {one.multiply_adds} multiply-adds; give at least 1")
        if not one.format and one.multiply_adds:
            fail(f"{case}: {one.name} has {one.multiply_adds} multiply-adds and no format; give {UNKNOWN!r} at least")


def finds_the_products(case: Case) -> None:
    """A network with layers has operators that multiply."""
    if not any(one.format for one in case.operators):
        kinds = ", ".join(sorted({one.kind for one in case.operators})) or "none"
        fail(
            f"{case}: none of the operators multiplies (kinds: {kinds}), and {case.workload.layers} layers of the "
            f"network do; give each that is not understood the format {UNKNOWN!r}"
        )


def counts_multiply_adds(case: Case) -> None:
    """The multiply-adds of all operators are about those of the network on a batch."""
    found, wanted = sum(one.multiply_adds for one in case.operators), BATCH * case.workload.multiply_adds
    if found and not wanted / FACTOR <= found <= wanted * FACTOR:  # nothing at all is another check's
        fail(
            f"{case}: operators have {found:.3g} multiply-adds, and the network {wanted:.3g} on {BATCH} examples; be "
            f"right within a factor of {FACTOR:g}"
        )


def profile_names_operators(case: Case) -> None:
    """Where there is a profiler, each operator that multiplies has a time by the name that `computes_in` gives it."""
    times = _times(case)
    timeless = [one for one in case.operators if one.format and times and not {one.name, one.kind} & times.keys()]
    if timeless:
        strange = sorted(times.keys() - {one.name for one in case.operators} - {CALL})
        fail(
            f"{case}: profile has no time of {', '.join(one.name for one in timeless)}; it has times of "
            f"{', '.join(strange) or 'nothing'} that computes_in does not name: use the same names"
        )


def profile_adds_up(case: Case) -> None:
    """Times of a profile are finite, the whole call is among them, and its operators take no longer together."""
    times = _times(case)
    if not times:
        return
    if wrong := {name: time for name, time in times.items() if not 0 <= time < math.inf}:
        fail(f"{case}: profile has times that are none: {wrong}; leave out what is not known")
    call_s = times.get(CALL, 0.0)
    if not call_s:
        fail(f"{case}: profile does not tell how long a call took; give it under the name {CALL!r}, in seconds")
    operators_s = sum(times.values()) - call_s
    if operators_s > LONGER * call_s + ROUNDED_S * len(times):
        fail(
            f"{case}: operators take {operators_s:.3g} s, and the whole call {call_s:.3g} s; give the time of each in "
            "one call, without that of others inside it"
        )


CHECKS: Sequence[Callable[[Case], None]] = (
    saves_and_opens,
    agrees_with_the_yardstick,
    is_no_finer_than_it_says,
    goes_by_names,
    takes_any_batch,
    gives_plain_arrays,
    binds_a_call,
    forgets_earlier_calls,
    leaves_feeds_alone,
    names_its_operators,
    finds_the_products,
    counts_multiply_adds,
    profile_names_operators,
    profile_adds_up,
)
"""In the order in which an engine is written."""


def _hold_near(case: Case, got: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]], what: str) -> None:
    error, limit = largest_error(got, wanted), case.limit
    if not error <= limit:
        fail(
            f"{case}: {what}, by {error:.2g} of their norm; {case.formats or 'no product at all'} in {case.mode.name} "
            f"allows {limit:.2g}. Mend the arithmetic, or tell in computes_in what it really is"
        )


def _hold_equal(case: Case, name: str, feeds: Feeds, before: Feeds, act: Callable[[], object]) -> None:
    act()
    if changed := [key for key, array in before.items() if not np.array_equal(feeds[key], array)]:
        fail(f"{case}: {name} changes its feed {', '.join(changed)}; copy what you change")


def _times(case: Case) -> dict[str, float]:
    return dict(profile(case.engine, case.path, case.setup, case.feeds(), PROFILED_CALLS))
