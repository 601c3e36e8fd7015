"""By how much an objective may be worse without mattering, as ``latency=1%`` or ``accuracy=0.1``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from significand.plan.kinds import NONE, read_share
from significand.plan.metrics import METRICS, OBJECTIVES
from significand.plan.problems import SeveralProblemsError, few, nearest, shown

LARGEST_SHARE, LARGEST_POINTS = 10.0, 100.0


@dataclass(frozen=True)
class Indifferences:
    """Differences in objectives that do not matter, each as a text."""

    repeatable = True
    """Whether its flag may be given several times, for all of them to count."""

    def read(self, value: object) -> tuple[str, ...]:
        """Return each as a text, ``"latency=1%"``, as it was given.

        Raises
        ------
        SeveralProblemsError
            With what is wrong with each of them.
        """
        if value == NONE:
            return ()
        given = [f"{name}={size}" for name, size in value.items()] if isinstance(value, Mapping) else value
        parts = given.split(",") if isinstance(given, str) else given
        if not isinstance(parts, list | tuple):
            raise ValueError(f"{shown(value)} is no difference; give objective=size, such as latency=1%")  # noqa: TRY004 - of all the same kind
        texts: dict[str, str] = {}
        problems = []
        for part in [piece for one in parts for piece in str(one).split(",")]:
            try:
                metric, _ = zone_of(part)
            except ValueError as error:
                problems.append(str(error))
                continue
            if metric in texts:
                problems.append(f"{metric} is given twice; give it once")
            texts[metric] = f"{metric}={part.partition('=')[2].strip()}"
        if problems:
            raise SeveralProblemsError(few(problems))
        return tuple(texts.values())

    def written(self, value: Sequence[str]) -> str:
        """Return them as one text."""
        return ",".join(value) or NONE


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
    most = LARGEST_SHARE if is_cost else LARGEST_POINTS
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
