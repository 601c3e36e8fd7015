"""What is wrong with a plan, in words: one line a mistake, with field, value, what is allowed and the remedy."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from pydantic import ValidationError

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


class PlanError(ValueError):
    """An experiment that cannot run. ``problems`` holds one line a mistake: field, value, what is allowed, remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


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
    lines = []
    for item in error.errors():
        field = str(item["loc"][0])
        kind, given, context = item["type"], item["input"], item.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, PlanError | SeveralProblemsError):
            texts = list(cause.problems)
        elif kind == "value_error":
            texts = [str(cause)]
        elif kind == "extra_forbidden":
            texts = [f"is not a field of an experiment{nearest(field, fields)}; known: {', '.join(fields)}"]
        elif kind in _LIMITS:
            key, words = _LIMITS[kind]
            texts = [f"{given!r} is out of range; give {words} {context[key]}"]
        elif kind in {"tuple_type", "string_type"}:
            wanted = "list" if kind == "tuple_type" else "text"
            texts = [f"{given!r} is not a {wanted}; give a {wanted}"]
        elif kind == "literal_error":
            texts = [f"{given!r} is not known; allowed: {context['expected']}"]
        elif kind.startswith("int"):
            texts = [f"{given!r} is not a whole number; give a whole number"]
        elif kind.startswith(("float", "finite")):
            texts = [f"{given!r} is not a finite number; give a number"]
        else:
            texts = [f"{given!r} does not fit: {item['msg'].lower()}"]
        lines += [f"{field}: {text}" for text in texts]
    return lines
