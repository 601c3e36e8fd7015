"""What a cell of somebody's table says: the one grammar of numbers, what is missing, and how an error shows a cell."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import numpy as np

NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE
)
"""What pandas' default reader takes for a number of a column of floats: no underscores, no digits but 0 to 9. A test
holds the two together."""

DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+(?:,[0-9]+)?(?:e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)

INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
"""An integer as it is written in one way only, so that equal integers are equal texts: 007 and +7 are texts."""

BLANKS = " \t\n\v\f\r"
"""What may surround a cell. No other white space: pandas takes none either."""

MISSING_WORDS = frozenset(
    {
        *("nan", "-nan", "na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "null", "none"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    }
)
"""Words that pandas takes for a missing value, in small letters."""

LONGEST_QUOTE, MOST_NAMES = 80, 20
"""Characters of a file's text, and names in a list, that an error shows."""

FLOAT32_RESOLUTION = 2.0**-24


def is_number(text: str) -> bool:
    """Tell whether a cell is a number with a decimal point."""
    return NUMBER.fullmatch(text) is not None


def is_decimal(text: str) -> bool:
    """Tell whether a cell is a number with a decimal comma, or a whole one."""
    return DECIMAL_COMMA.fullmatch(text) is not None


def is_missing(text: str, missing: Sequence[str] | None) -> bool:
    """Tell whether a cell where a number belongs is missing: empty, or one of the words that say so.

    Parameters
    ----------
    text
        The cell without surrounding blanks.
    missing
        The words, as they are written; None for those of pandas, in capital or small letters.
    """
    return not text or (text.lower() in MISSING_WORDS if missing is None else text in missing)


def exact(text: str) -> object:
    """Return what equals a float only where the number in the text does: nothing is rounded."""
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits: beyond float64, whatever it is
        return text


def lost_columns(x: np.ndarray, exactly: Callable[[int], Sequence[object]]) -> list[int]:
    """Return the columns that lost by becoming float64: rounded by more than float32 resolves of their range.

    Parameters
    ----------
    x
        Finite, float64, shape (samples, features).
    exactly
        Called with a column's index; returns its numbers as they were, each comparable with a float and hashable.
    """
    with np.errstate(over="ignore"):  # a range beyond float64 is wide enough
        lowest, highest = x.min(axis=0), x.max(axis=0)
        rounding = np.spacing(np.maximum(abs(lowest), abs(highest)))
        doubtful = np.flatnonzero(rounding > 2 * FLOAT32_RESOLUTION * (highest - lowest))
    return [int(at) for at in doubtful if _is_changed(x[:, at], exactly(int(at)))]


def _is_changed(column: np.ndarray, exactly: Sequence[object]) -> bool:
    return len(set(exactly)) > 1 and column.tolist() != list(exactly)


def cut(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."


def brief(text: str) -> str:
    """Return a file's text as an error may show it: on one line, without control characters, not long."""
    short = cut(text)
    return short if short.isprintable() else repr(short)


def listed(names: Sequence[str]) -> str:
    """Return the first of many names."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(map(brief, names[:MOST_NAMES])) + more
