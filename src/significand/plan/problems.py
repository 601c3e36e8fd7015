"""What is wrong with a plan, in words: one line a mistake, with field, value, what is allowed and the remedy."""

import difflib
import itertools
from collections.abc import Collection, Iterable, Sequence

SHORT_NAMES = {
    "fp64": "float64",
    "double": "float64",
    "fp32": "float32",
    "single": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "i8": "int8",
    "swish": "silu",
    "none": "linear",
    "identity": "linear",
    "ort": "onnxruntime",
    "pytorch": "torch",
    "modes": "precision_modes",
    "precision": "precision_modes",
    "precisions": "precision_modes",
    "batch": "batch_size",
    "lr": "learning_rate",
}
"""What else people call the words of a plan, for hints."""


LONGEST_SHOWN = 80
"""Characters of a value that an error shows."""

LONGEST_LINE = 4_000
"""Characters of a mistake's line; a path alone may have as many."""

MOST_LINES = 100

MOST_ALIKE = 10
"""Mistakes of one kind that are told one by one."""

MOST_CANDIDATES = 1_000
"""Words among which the nearest is looked for."""


class RunFailedError(RuntimeError):
    """What ends one run and no other; the text is the whole reason, in words for whoever measures."""


class PlanError(ValueError):
    """An experiment that cannot run.

    Attributes
    ----------
    problems
        One line a mistake: field, value, what is allowed, remedy.
    trace
        The user's own frames, where their function raised; else empty.
    """

    def __init__(self, problems: Iterable[str], trace: str = "") -> None:
        self.problems = capped(problems)
        self.trace = trace
        super().__init__("\n".join(self.problems))


def capped(problems: Iterable[str]) -> tuple[str, ...]:
    """Return lines that can be read: not too many, and none too long; the remedy, at the end of one, is kept."""
    lines = tuple(problems)
    half = LONGEST_LINE // 2
    short = [line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}" for line in lines[:MOST_LINES]]
    more = [f"and {len(lines) - MOST_LINES} more mistakes; correct these first"] if lines[MOST_LINES:] else []
    return (*short, *more)


def shown(value: object) -> str:
    """Return a value as an error shows it: short, whatever it is."""
    try:
        text = repr(value).replace("\n", " ")  # an array's has lines
    except (ValueError, RecursionError):  # an integer of thousands of digits, or nesting without end
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def listed(words: Sequence[object]) -> str:
    """Return words as an error lists them: the first of them, each short."""
    first = ", ".join(str(word)[:LONGEST_SHOWN] for word in words[:MOST_ALIKE])
    return first if len(words) <= MOST_ALIKE else f"{first} and {len(words) - MOST_ALIKE} more"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint naming the allowed word closest to `name`, or nothing where none is close."""
    word = str(name)
    if len(word) > LONGEST_SHOWN:  # nobody misspells a word into hundreds of letters
        return ""
    word = SHORT_NAMES.get(word.lower(), word.lower())
    words = [other for other in itertools.islice(allowed, MOST_CANDIDATES) if len(other) <= LONGEST_SHOWN]
    close = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def few(lines: Sequence[str]) -> list[str]:
    """Return the first of many lines, and how many more there are."""
    return [
        *lines[:MOST_ALIKE],
        *([f"{len(lines) - MOST_ALIKE} more mistakes of the kind"] if lines[MOST_ALIKE:] else []),
    ]


def unknown_fields(names: Sequence[object], fields: Collection[str]) -> list[str]:
    """Return a line for every name that is no field of an experiment, with the nearest; few lines for many."""
    lines = [
        f"{str(name)[:LONGEST_SHOWN]}: is not a field of an experiment{nearest(str(name), fields)}; "
        f"known: {', '.join(fields)}"
        for name in names[:MOST_ALIKE]
    ]
    more = f"{len(names) - MOST_ALIKE} more names are not fields of an experiment; correct these first"
    return [*lines, *([more] if names[MOST_ALIKE:] else [])]


class SeveralProblemsError(ValueError):
    """Several mistakes of one field."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
