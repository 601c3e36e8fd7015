"""What training that is the same in two results says of their sessions, in a sentence."""

from typing import TYPE_CHECKING

from significand.plan.phrases import named
from significand.plan.problems import listed
from significand.present.words.factors import times

if TYPE_CHECKING:
    from significand.answers.control import Control


def control_told(control: "Control") -> str:
    """Say how much longer the same training took in the new result, and what may be the cause."""
    estimate = control.estimate
    word, factor, interval = times(estimate.point, estimate.low, estimate.high)
    same = f"Training of {named(control.setups)} is the same to the last bit in both, and"
    if estimate.low <= 1 <= estimate.high:
        return f"{same} as fast, as far as can be told{interval}."
    took = f"{same} {factor}x {'slower' if word == 'higher' else 'faster'} in NEW{interval}"
    if control.is_of_sessions:
        return f"{took}: the session did that, or what nobody recorded, and no change of what comes after training."
    return f"{took}: the session did that, or {listed(control.suspects)}; two sessions cannot tell, --against can."
