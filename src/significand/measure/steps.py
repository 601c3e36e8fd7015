"""The measured steps of a run, as its setup and protocol ask for them."""

from collections.abc import Callable

from significand.meters.noise import NoiseMeter
from significand.meters.placement import Rotation
from significand.meters.steps import Step, Steps
from significand.plan.setup import Protocol, Setup

TakeTurn = Callable[[Step], None]
"""Called between steps; see `significand.meters.steps.Step` for what is asked for."""


def steps_of(setup: Setup, protocol: Protocol, take_turn: TakeTurn) -> Steps:
    """Return what measures the steps of one phase; make it before the phase computes, which shows its threads."""
    return Steps(NoiseMeter(setup.threads), protocol.noise, take_turn, place=Rotation(setup.threads).at)
