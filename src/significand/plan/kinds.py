"""How the values of an experiment's fields are read, as Python, TOML and flags give them, and written for flags.

Nothing is imported but the standard library, so that help is quick. `read` raises ValueError, in the words of which an
error is told after the field's name: the value, what is allowed, what to give.
"""

import ast
import itertools
import math
import operator
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from significand.plan.problems import SeveralProblemsError, few, nearest, shown

NONE = "none"
"""What a flag says where there is no value at all."""

LARGEST_SCORE_MARGIN = 1e9
"""In the score's own unit, which may be anything."""

MOST_ITEMS = 10_000
"""Entries of a list; to look at each of more would take for ever."""

WHOLE = re.compile(r"\s*[+-]?[0-9]{1,400}(\.0*)?\s*")
REAL = re.compile(r"\s*[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,6})?\s*")


class Kind(Protocol):
    """One kind of value."""

    def read(self, value: object) -> Any:  # noqa: ANN401 - of the kind's own type
        """Return a value as the experiment holds it.

        Raises
        ------
        ValueError
            When it is none; `SeveralProblemsError` for several mistakes.
        """
        ...

    def written(self, value: Any) -> str:  # noqa: ANN401
        """Return a value as a flag takes it."""
        ...


@dataclass(frozen=True)
class _Number:
    at_least: float | None = None
    more_than: float | None = None
    at_most: float | None = None
    less_than: float | None = None

    def written(self, value: Any) -> str:  # noqa: ANN401
        return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)

    def _in_range(self, value: object, number: float) -> None:
        for limit, words, is_kept in (
            (self.at_least, "at least", operator.ge),
            (self.more_than, "more than", operator.gt),
            (self.at_most, "at most", operator.le),
            (self.less_than, "less than", operator.lt),
        ):
            if limit is not None and not is_kept(number, limit):
                raise ValueError(f"{shown(value)} is out of range; give {words} {limit}")


@dataclass(frozen=True)
class Whole(_Number):
    """A whole number."""

    at_least: float | None = 1
    less_than: float | None = 2**31

    def read(self, value: object) -> int:
        """Return it as Python's own; truth values are no numbers, NumPy's are."""
        _refuse_truth(value)
        try:
            number = operator.index(value)  # type: ignore[arg-type]  # what is no integer raises
        except TypeError:
            number = _whole(value)
        self._in_range(value, number)
        return number


@dataclass(frozen=True)
class Real(_Number):
    """A finite number."""

    def read(self, value: object) -> float:
        """Return it as Python's own."""
        _refuse_truth(value)
        number = _real(value)
        if number is None or not math.isfinite(number):
            raise ValueError(f"{shown(value)} is not a finite number; give a plain number")
        self._in_range(value, number)
        return number


@dataclass(frozen=True)
class Share(Real):
    """A share, as 0.02 or ``"2%"``."""

    def read(self, value: object) -> float:
        """Return it as a number."""
        _refuse_truth(value)
        share = read_share(value)
        number = share if isinstance(share, float) else math.nan
        if not math.isfinite(number):
            raise ValueError(f"{shown(value)} is not a finite number; give a plain number")
        self._in_range(value, number)
        return number


class AmbiguousShareError(ValueError):
    """A bare number that may have been meant as per cent."""


def read_share(value: object) -> object:
    """Return a share as a number, of ``"2%"`` or ``0.02``; what is neither is returned as it is.

    Raises
    ------
    AmbiguousShareError
        Of a bare number that was meant as per cent, as ``2``.
    """
    if isinstance(value, str) and value.strip().endswith("%"):
        number = _real(value.strip().removesuffix("%"))
        return value if number is None else number / 100
    share = _real(value)
    if share is None:
        return value
    if 1 <= share < math.inf:
        raise AmbiguousShareError(
            f"{value!r} would be {100 * share:g} %; write {share:g}% or {100 * share:g}%, as you mean it"
        )
    return share


@dataclass(frozen=True)
class Text:
    """Any text.

    Attributes
    ----------
    named
        What it must name, so that it is not empty; empty where it may be.
    """

    named: str = ""

    def read(self, value: object) -> str:
        """Return it; a path is one, too."""
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not a text; give a text")  # noqa: TRY004 - of all the same kind
        if self.named and not value:
            raise ValueError(f"{value!r} is an entry without a name; name each {self.named}")
        return str(value)

    def written(self, value: str) -> str:
        """Return it as it is."""
        return value


@dataclass(frozen=True)
class Location(Text):
    """The name of a data set or the path of its file."""

    def read(self, value: object) -> str:
        """Return it; arrays in memory have to be saved first."""
        in_memory = hasattr(value, "__array__") or isinstance(value, list | tuple | Mapping)
        if in_memory and not isinstance(value, str):
            raise ValueError(
                f"data of type {type(value).__name__} are neither a name nor a path; save them, "
                "numpy.savez('data.npz', X=X, y=y), and give 'data.npz'"
            )
        return super().read(value)


@dataclass(frozen=True)
class Word(Text):
    """One of some words.

    Attributes
    ----------
    words
        Those allowed.
    what
        What they are called; empty where the field's name says it.
    aliases
        What else people write, and the word that it stands for; a value of another type, such as True, too.
    """

    words: Sequence[str] = ()
    what: str = ""
    aliases: Mapping[Any, str] = field(default_factory=dict, hash=False)

    def read(self, value: object) -> str:
        """Return the word."""
        if isinstance(value, str | bool) and value in self.aliases:
            return self.aliases[value]
        text = super().read(value)
        if text in self.words:
            return text
        if self.what:
            hint = nearest(text, self.words)
            raise ValueError(f"{shown(text)} is not {self.what}{hint}; allowed: {', '.join(self.words)}")
        raise ValueError(f"{shown(text)} is not known; allowed: {' or '.join(map(repr, self.words))}")


@dataclass(frozen=True)
class Several:
    """Values of one kind, in an order.

    Attributes
    ----------
    kind
        Of each.
    split
        Where a text is cut into its parts.
    join
        What stands between them when they are written.
    alone
        Whether a single value may stand for a list of it.
    once
        What a value is called that must not be there twice; empty where it may.
    nothing
        Texts that stand for no value at all.
    """

    kind: Kind
    split: re.Pattern[str] = re.compile(",")
    join: str = ","
    alone: bool = False
    once: str = ""
    nothing: tuple[str, ...] = ()

    def read(self, value: object) -> tuple[Any, ...]:
        """Return them as a tuple."""
        read: list[Any] = []
        problems: dict[str, None] = {}
        parts = self._parts(value)
        if len(parts) > MOST_ITEMS:
            raise ValueError(f"more than {MOST_ITEMS} entries are given; give at most so many")
        for part in parts:
            try:
                read.append(self.kind.read(part))
            except ValueError as error:
                problems[str(error)] = None
        if self.once:
            if not parts:
                words = getattr(self.kind, "words", ())
                problems[f"none given; name at least one{' of ' if words else ''}{', '.join(words)}"] = None
            for one, count in Counter(read).items():
                if count > 1:
                    problems[f"{shown(one)} is given {count} times; name each {self.once} once"] = None
        if problems:
            raise SeveralProblemsError(few(list(problems)))
        return tuple(read)

    def written(self, value: Sequence[Any]) -> str:
        """Return them as one text."""
        return self.join.join(map(self.kind.written, value)) or (self.nothing[-1] if self.nothing else "")

    def _parts(self, value: object) -> list[object]:
        if isinstance(value, str) and value.strip().lower() in self.nothing:
            return []
        if isinstance(value, str):
            return (
                [part.strip() for part in self.split.split(value, maxsplit=MOST_ITEMS)]
                if value.strip() or not self.once
                else []
            )
        if isinstance(value, set | frozenset):
            raise ValueError(f"{shown(value)} has no order; give a list")  # noqa: TRY004
        if isinstance(value, Mapping | bytes | bytearray) or not isinstance(value, Iterable):
            if self.alone:
                return [value]
            raise ValueError(f"{shown(value)} is not a list; give a list")
        try:
            return list(value)
        except TypeError:  # an array without dimensions
            if self.alone:
                return [value]
            raise ValueError(f"{shown(value)} is not a list; give a list") from None


_NEXT_SETTING = re.compile(r",(?=[^\W\d]\w*=)")
"""What ends a setting's values and begins another setting."""


@dataclass(frozen=True)
class Settings:
    """What a function is called with, by name: ``"width=32,64"`` or ``{"width": [32, 64]}``, several values an axis.

    It is held as a text for each combination, ``"width=32;depth=2"``, and reads what it has written.
    """

    repeatable = True
    """Whether its flag may be given several times, for all of them to count."""

    def read(self, value: object) -> tuple[str, ...]:
        """Return every combination: values of one name are alternatives, those of several names are multiplied."""
        if value == NONE:
            return ("",)
        given = list(value.items()) if isinstance(value, Mapping) else [value] if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError(f"{shown(value)} sets nothing; give name=value, such as width=64")  # noqa: TRY004 - of all the same kind
        groups: dict[tuple[str, ...], list[str]] = {}
        for one in given:
            for part in _NEXT_SETTING.split(one) if isinstance(one, str) else [one]:
                name, values = _setting(part)
                groups.setdefault(name, []).extend(values)
        names = [name for group in groups for name in group]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"{twice[0]!r} is set alone and together with others; set it once")
        for values in groups.values():
            if again := [one for one, count in Counter(values).items() if count > 1]:
                raise ValueError(f"{again[0]!r} is set twice; give each value once")
        if math.prod(map(len, groups.values())) > MOST_ITEMS:
            raise ValueError(f"more than {MOST_ITEMS} combinations are set; give fewer values")
        return tuple(";".join(filter(None, parts)) for parts in itertools.product(*groups.values()))

    def written(self, value: Sequence[str]) -> str:
        """Return the values as one text."""
        return ",".join(value) or NONE


def _setting(given: object) -> tuple[tuple[str, ...], list[str]]:
    """Return the names that a text or a pair of name and values sets, and the alternatives as texts."""
    if isinstance(given, tuple) and len(given) == 2:
        name, values = given
        texts = [str(one) for one in (values if isinstance(values, list | tuple) else [values])]
    elif isinstance(given, str) and ";" in given:
        parts = [part.partition("=") for part in given.split(";")]
        bad = [part for part in parts if not part[0].strip().isidentifier() or not part[1]]
        if bad:
            raise ValueError(f"{shown(given)} sets nothing; give name=value, such as width=64")
        return tuple(part[0].strip() for part in parts), [given]
    elif given == "":
        return (), [""]
    else:
        name, equals, text = str(given).partition("=")
        texts = [part.strip() for part in text.split(",")] if equals else []
    name = str(name).strip()
    if not name.isidentifier() or not texts or not all(texts):
        raise ValueError(f"{shown(given)} sets nothing; give name=value, such as width=64")
    if any(";" in text for text in texts):
        raise ValueError(f"{shown(given)} has a semicolon, which separates settings; leave it out")
    return (name,), [f"{name}={text}" for text in texts]


def settings(text: str) -> dict[str, Any]:
    """Return what a combination sets: numbers, truth values and lists as such, anything else as text."""
    found = {}
    for part in filter(None, text.split(";")):
        name, _, value = part.partition("=")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found[name] = value
    return found


SIZES = Several(Whole(at_least=None, less_than=2**63), re.compile(r"[x,]|(?<=\d)-"), "-")
"""Units per layer, as ``"64-128-10"``; a minus that follows no digit is a sign."""

HIDDEN_SIZES = replace(SIZES, alone=True, nothing=("", NONE))
"""Units of hidden layers: one, several or none."""


def _refuse_truth(value: object) -> None:
    # True and False are not numbers to anybody.
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number; give a number")  # noqa: TRY004 - of all the same kind


def _whole(value: object) -> int:
    number = value
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    if not isinstance(value, str):
        number = _real(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    raise ValueError(f"{shown(value)} is not a whole number; give a whole number")


def _real(value: object) -> float | None:
    """Return a number, or a text that is one; None for anything else. Infinities and NaN are numbers here."""
    if isinstance(value, str):
        return float(value) if REAL.fullmatch(value) else None
    if isinstance(value, Iterable | bytes) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
