"""Measured steps: each is watched by the noise meter, and measured again where others disturbed it."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from significand.meters.noise_share import CpuReading, Noise
from significand.meters.priority import raised_priority

Step = Literal["prepare", "measure", "again"]
"""What a run asks for between its steps: to compute while nobody is timed, to be timed while nobody computes, or to be
timed once more because the last time was disturbed."""

Phase = Literal["training", "inference"]

OnNoise = Literal["remeasure", "mark", "fail"]

LONGEST_SETTLING_S = 0.05
"""How long a run waits for its threads to rest before it hands on its turn. OpenMP's look for more work for some 5 ms
each, on a slow CPU for longer."""

T = TypeVar("T")


class DisturbedError(RuntimeError):
    """A step stayed disturbed, or nobody can tell, and the experiment is to fail then.

    Attributes
    ----------
    attempts
        Every measurement of every step so far.
    """

    def __init__(self, message: str, attempts: "list[Attempt]") -> None:
        super().__init__(message, attempts)
        self.attempts = attempts

    def __str__(self) -> str:
        return str(self.args[0])


class Meter(Protocol):
    """What the steps need of a `significand.meters.noise.NoiseMeter`."""

    def start(self) -> CpuReading:
        """Begin a window."""
        ...

    def since(self, reading: CpuReading, /) -> Noise:
        """Return what happened since `reading`."""
        ...


@dataclass(frozen=True)
class NoisePolicy:
    """What to do about others on the machine.

    Attributes
    ----------
    on_noise
        ``"remeasure"``; ``"mark"``: keep and say so; or ``"fail"``: remeasure, and fail where that does not help.
    noise_share
        A step is disturbed when others took more than this share of the CPU time it needed.
    remeasure_limit
        How many times a disturbed step is measured again, at most.
    remeasure_nice
        Niceness asked for when measuring again.
    """

    on_noise: OnNoise = "remeasure"
    noise_share: float = 0.05
    remeasure_limit: int = 3
    remeasure_nice: int = -20


@dataclass(frozen=True)
class Attempt:
    """One measurement of one step.

    Attributes
    ----------
    phase, index
        Which step: training turn or latency round, from 0.
    attempt
        0 the first time, then counting.
    time_s
        What the step measured: mean seconds of an epoch, or of a call.
    noise
        What others did meanwhile.
    disturbed
        Whether they took more than the limit.
    counted
        Whether this attempt is the one that the run's numbers come from.
    nice
        Niceness it ran with.
    """

    phase: Phase
    index: int
    attempt: int
    time_s: float
    noise: Noise
    disturbed: bool
    counted: bool
    nice: int


class Steps:
    """Measures the steps of a run, and keeps a record of every attempt.

    Parameters
    ----------
    meter
        Watches what others do.
    policy
        What to do about it.
    take_turn
        Returns when this run alone may use the machine.
    priority
        Context in which a step is measured again, and which gives its niceness.
    place
        Context in which the threads compute on the CPUs of a turn, counted from 0. All runs have the same turns, so
        they share the CPUs fairly; a step that is measured again gets those of the next turn.
    """

    def __init__(
        self,
        meter: Meter,
        policy: NoisePolicy,
        take_turn: Callable[[Step], None],
        priority: Callable[[int], AbstractContextManager[int]] = raised_priority,
        place: Callable[[int], AbstractContextManager[None]] = lambda turn: nullcontext(),  # noqa: ARG005 - anywhere
    ) -> None:
        self._meter = meter
        self._policy = policy
        self._take_turn = take_turn
        self._priority = priority
        self._place = place
        self.attempts: list[Attempt] = []

    def measure(
        self,
        phase: Phase,
        index: int,
        step: Callable[[], T],
        time_s: Callable[[T], float],
        again: Callable[[], T] | None = None,
    ) -> T:
        """Measure a step, and again up to the policy's bound while others disturb it.

        An attempt is chosen by what others did, never by its own time: the first quiet one, else the least disturbed.
        What is unknown (a share of NaN) is not measured again.

        Parameters
        ----------
        phase, index
            Names the step.
        step
            Does it and returns what was measured.
        time_s
            Seconds of that, for the record.
        again
            Does the same work once more, where `step` itself cannot be repeated.

        Raises
        ------
        DisturbedError
            When the step stayed disturbed, or that is not known, and the policy is to fail.
        """
        policy = self._policy
        self._take_turn("measure")
        results = [self._attempt(step, 0, index)]
        while (
            policy.on_noise != "mark"
            and self._is_disturbed(results[-1].noise)
            and len(results) <= policy.remeasure_limit
        ):
            self._take_turn("again")
            results.append(self._attempt(again or step, policy.remeasure_nice, index + len(results)))
        kept = min(results, key=lambda result: _rank(result.noise.share))
        for number, result in enumerate(results):
            disturbed = self._is_disturbed(result.noise)
            self.attempts.append(
                Attempt(
                    phase,
                    index,
                    number,
                    time_s(result.value),
                    result.noise,
                    disturbed=disturbed,
                    counted=result is kept,
                    nice=result.nice,
                )
            )
        if policy.on_noise == "fail" and not kept.noise.share <= policy.noise_share:
            if math.isnan(kept.noise.share):
                raise DisturbedError(
                    "what others do cannot be seen on this machine, so nobody can tell whether a step was disturbed; "
                    "see `significand doctor`, or choose another on_noise",
                    self.attempts,
                )
            name = "turn" if phase == "training" else "round"
            raise DisturbedError(
                f"disturbed: others took {100 * kept.noise.share:.0f} % of the CPU time of {phase} {name} {index + 1}, "
                f"allowed are {100 * policy.noise_share:g} %; make the machine quiet, raise noise_share, or choose "
                "another on_noise",
                self.attempts,
            )
        return kept.value

    def _is_disturbed(self, noise: Noise) -> bool:
        return noise.share > self._policy.noise_share

    def _attempt(self, step: Callable[[], T], nice: int, turn: int) -> "_Result[T]":
        with self._place(turn), self._priority(nice) as given:
            reading = self._meter.start()
            value = step()
            return _Result(value, given, self._meter.since(reading))


@dataclass(frozen=True)
class _Result(Generic[T]):
    value: T
    nice: int
    noise: Noise


def _rank(share: float) -> float:
    return math.inf if math.isnan(share) else share
