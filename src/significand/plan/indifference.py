"""By how much an objective may be worse without mattering, as ``latency=1%`` or ``accuracy=0.1``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from significand.plan.kinds import LARGEST_SCORE_MARGIN, read_share
from significand.plan.metrics import METRICS, OBJECTIVES
from significand.plan.pairs import Pairs
from significand.plan.problems import nearest, shown

LARGEST_SHARE = 10.0


@dataclass(frozen=True)
class Indifferences(Pairs):
    """Differences in objectives that do not matter, each as a text."""

    wanted = "no difference; give objective=size, such as latency=1%"
    twice = "given"

    def pair(self, part: str) -> tuple[str, str]:
        """Return the objective, and the part as it was given."""
        metric, _ = zone_of(part)
        return metric, f"{metric}={part.partition('=')[2].strip()}"


def zone_of(text: str) -> tuple[str, float]:
    """Return an objective and the difference in it that does not matter: a share of a cost, points or units of a score.

    Raises
    ------
    ValueError
        Where it is none.
    """
    name, equals, size = (piece.strip() for piece in text.partition("="))
    name = name.replace("-", "_")
    if not equals:
        raise ValueError(f"{shown(text)} is no difference; give objective=size, such as latency=1%")
    if name not in OBJECTIVES:
        told = f"{shown(name)} is not an objective{nearest(name, OBJECTIVES)}"
        raise ValueError(f"{told}; allowed: {', '.join(OBJECTIVES)}")
    is_cost = METRICS[name].scale == "ratio"
    try:
        number = float(read_share(size) if is_cost else size.removesuffix("points").strip())  # type: ignore[arg-type]  # what is no number raises
    except ValueError as error:
        number = math.nan
        if is_cost and "%" in str(error):
            raise ValueError(f"{shown(text)}: {error}") from None
    most = LARGEST_SHARE if is_cost else LARGEST_SCORE_MARGIN
    if not 0 < number <= most:
        example = f"{name}=1%, a share of the cost" if is_cost else f"{name}=0.1, points or units of the score"
        raise ValueError(f"{shown(text)} is out of range; give more than 0 and at most {most:g}, such as {example}")
    return name, number


def zones_of(texts: Sequence[str], *, points: bool) -> dict[str, float]:
    """Return by objective the difference that does not matter: a share of a cost, or in the score's column's unit.

    Parameters
    ----------
    texts
        As `Indifferences` reads them.
    points
        Whether scores are shares, of which differences are given in percentage points.
    """
    zones = dict(map(zone_of, texts))
    return {name: size / 100 if points and METRICS[name].part else size for name, size in zones.items()}
