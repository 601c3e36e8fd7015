"""The measured steps of a run, as its setup and protocol ask for them."""

from collections.abc import Callable

from significand.meters.placement import Rotation
from significand.meters.steps import Meter, Step, Steps
from significand.plan.setup import Protocol, Setup

TakeTurn = Callable[[Step], None]
"""Called between steps; see `significand.meters.steps.Step` for what is asked for."""

NewMeter = Callable[[int], Meter]
"""Makes what sees others, given how many threads compute in a step."""

NewSteps = Callable[[], Steps]
"""Makes what measures the steps of one phase, in its process and before it computes, which shows its threads."""


def steps_of(setup: Setup, protocol: Protocol, take_turn: TakeTurn, new_meter: NewMeter) -> Steps:
    """Return what measures the steps of one phase; see `NewSteps`."""
    return Steps(new_meter(setup.threads), protocol.noise, take_turn, place=Rotation(setup.threads).at)
