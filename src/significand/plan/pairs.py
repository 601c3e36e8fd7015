"""Lists of ``name=value``, as limits and indifferences are given: one text, several, or a table."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from significand.plan.kinds import NONE
from significand.plan.problems import SeveralProblemsError, few, shown


class Pairs:
    """What is given as ``name=value``, each name once."""

    repeatable = True
    """Whether its flag may be given several times, for all of them to count."""

    wanted: ClassVar[str]
    """What a value that is none of this is told: what it is not, and how to give it."""

    twice: ClassVar[str]
    """What a name that comes again is told to be."""

    def pair(self, part: str) -> tuple[str, str]:
        """Return the name of a part, and the part as it is kept.

        Raises
        ------
        ValueError
            Where it is wrong.
        """
        raise NotImplementedError

    def read(self, value: object) -> tuple[str, ...]:
        """Return each as a text, as it was given.

        Raises
        ------
        SeveralProblemsError
            With what is wrong with each of them.
        """
        if value == NONE:
            return ()
        given = [f"{name}={one}" for name, one in value.items()] if isinstance(value, Mapping) else value
        parts = given.split(",") if isinstance(given, str) else given
        if not isinstance(parts, list | tuple):
            raise ValueError(f"{shown(value)} is {self.wanted}")  # noqa: TRY004 - of all the same kind
        texts: dict[str, str] = {}
        problems = []
        for part in [piece for one in parts for piece in str(one).split(",")]:
            try:
                name, text = self.pair(part)
            except ValueError as error:
                problems.append(str(error))
                continue
            if name in texts:
                problems.append(f"{name} is {self.twice} twice; give it once")
            texts[name] = text
        if problems:
            raise SeveralProblemsError(few(problems))
        return tuple(texts.values())

    def written(self, value: Sequence[str]) -> str:
        """Return them as one text."""
        return ",".join(value) or NONE
