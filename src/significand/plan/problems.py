"""What is wrong with a plan, in words: one line a mistake, with field, value, what is allowed and the remedy."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

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
    "lr": "learning_rate",
}
"""What else people call the words of a plan, for hints."""


LONGEST_SHOWN = 80
"""Characters of a value that an error shows."""

MOST_LINES = 100


class PlanError(ValueError):
    """An experiment that cannot run. ``problems`` holds one line a mistake: field, value, what is allowed, remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def shown(value: object) -> str:
    """Return a value as an error shows it: short, whatever it is."""
    try:
        text = repr(value).replace("\n", " ")  # an array's has lines
    except (ValueError, RecursionError):  # an integer of thousands of digits, or nesting without end
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint naming the allowed word closest to `name`, or nothing where none is close."""
    word = SHORT_NAMES.get(str(name).lower(), str(name).lower())
    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


class SeveralProblemsError(ValueError):
    """Several mistakes of one field. A `ValueError`, because those are what pydantic collects."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def raise_if(problems: Sequence[str]) -> None:
    """Raise all mistakes found in one field, if any."""
    if problems:
        raise SeveralProblemsError(problems)


_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def problems_of(error: ValidationError, fields: Collection[str]) -> list[str]:
    """Turn pydantic's errors into lines that name the field, the value, what is allowed and the remedy.

    Parameters
    ----------
    error
        As pydantic raised it.
    fields
        Names of all fields there are.
    """
    lines = [
        f"{str(item['loc'][0])[:LONGEST_SHOWN]}: {text}" for item in error.errors() for text in _texts(item, fields)
    ]
    if len(lines) > MOST_LINES:
        return [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} more mistakes; correct these first"]
    return lines


def _texts(item: ErrorDetails, fields: Collection[str]) -> Sequence[str]:
    kind, given, context = item["type"], shown(item["input"]), item.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, PlanError | SeveralProblemsError):
        return cause.problems
    if kind == "extra_forbidden":
        field = str(item["loc"][0])
        # Nobody misspells a word into hundreds of letters, and looking for the nearest would take long.
        hint = nearest(field, fields) if len(field) <= LONGEST_SHOWN else ""
        return [f"is not a field of an experiment{hint}; known: {', '.join(fields)}"]
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return [f"{given} is out of range; give {words} {context[key]}"]
    wordings = {
        "value_error": str(cause),
        "tuple_type": f"{given} is not a list; give a list",
        "string_type": f"{given} is not a text; give a text",
        "literal_error": f"{given} is not known; allowed: {context.get('expected')}",
        "int": f"{given} is not a whole number; give a whole number",
        "float": f"{given} is not a finite number; give a plain number",
        "finite": f"{given} is not a finite number; give a plain number",
    }
    for beginning, wording in wordings.items():
        if kind.startswith(beginning):
            return [wording]
    return [f"{given} does not fit: {item['msg'].lower()}"]
