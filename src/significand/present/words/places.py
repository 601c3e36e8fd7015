"""How the values on an axis are told: ``"batch 8"``, ``"from 2 threads on"``, ``"int8 on onnxruntime"``."""

from collections.abc import Mapping, Sequence

from significand.plan.setup import HERE, OTHER
from significand.present.rows import enumerated, visible

ORDERED = ("batch_size", "threads")
"""Axes of numbers: of these, neighbouring values are told together."""

PARTIAL = frozenset({"calibration_samples"})
"""Axes on which some setups have no value, which is none to tell them by."""

TITLES = {
    "precision": "precision",
    "options": "options",
    "engine": "engine",
    "device": "device",
    "batch_size": "batch size",
    "threads": "threads",
    "calibration_samples": "calibration samples",
    "variant": "environment",
}
"""What each axis is called, in the order in which values are told."""

_BEFORE = {
    "precision": "in",
    "options": "with",
    "engine": "on",
    "device": "on",
    "batch_size": "at",
    "threads": "with",
    "calibration_samples": "with",
    "variant": "in",
}

_ENVIRONMENTS = {HERE: "this environment", OTHER: "the other environment"}


def value_words(axis: str, value: str) -> str:
    """Say one value: ``"batch 8"``, ``"1 thread"``, ``"onnxruntime"``."""
    shown = visible(value)
    if axis == "batch_size":
        return f"batch {shown}"
    if axis == "threads":
        return f"{shown} thread{'' if shown == '1' else 's'}"
    if axis == "calibration_samples":  # a mode may take none
        return f"{shown} calibration sample{'' if shown == '1' else 's'}" if shown else ""
    if axis == "variant":
        return _ENVIRONMENTS.get(value, shown)
    return shown.replace(";", ", ") if axis == "options" else shown


def place_words(place: Mapping[str, str]) -> str:
    """Say values on several axes one after the other: ``"onnxruntime, batch 8, 2 threads"``."""
    return ", ".join(filter(None, (value_words(axis, place[axis]) for axis in TITLES if axis in place)))


def with_place(subject: str, place: Mapping[str, str]) -> str:
    """Say of what is spoken, and where: ``"int8 on onnxruntime with 2 threads"``."""
    return " ".join(filter(None, [subject, *(at(axis, [place[axis]]) for axis in TITLES if axis in place)]))


def subject_words(place: Mapping[str, str]) -> str:
    """Say what the values are of which is spoken, the first of them alone: ``"int8 on torch"``, ``"torch"``."""
    first = next((axis for axis in TITLES if axis in place), None)
    if first is None:
        return "every setup"
    return with_place(value_words(first, place[first]), {axis: v for axis, v in place.items() if axis != first})


def at(axis: str, values: Sequence[str]) -> str:
    """Say where, by one or several values: ``"at batch 1 and 32"``, ``"with 2 threads"``."""
    if axis == "batch_size":
        return f"at batch {enumerated(values)}"
    words = values if axis in {*ORDERED, "calibration_samples"} else [value_words(axis, value) for value in values]
    told = value_words(axis, values[0]) if len(values) == 1 else enumerated(words)
    if axis in {"threads", "calibration_samples"} and len(values) > 1:
        told += f" {TITLES[axis]}"
    return f"{_BEFORE[axis]} {told}" if told else ""


def where(axis: str, chosen: Sequence[str], present: Sequence[str]) -> str:
    """Say which of the values that are present are chosen, neighbours together.

    Parameters
    ----------
    chosen, present
        Values in their order; every chosen one is present. An end that is open is told only of two values or more:
        a single one says nothing of those beyond.

    Returns
    -------
    str
        Such as ``"from batch 8 on"``, ``"up to 2 threads"``, ``"from batch 8 to 32"``, ``"at batch 1 and 32"``.
    """
    first = present.index(chosen[0]) if chosen else 0
    together = list(present[first : first + len(chosen)]) == list(chosen)
    if axis not in ORDERED or len(chosen) < 2 or not together or len(chosen) == len(present):
        return at(axis, chosen)
    if first == 0:
        return f"up to {value_words(axis, chosen[-1])}"
    if first + len(chosen) == len(present):
        return f"from {value_words(axis, chosen[0])} on"
    ends = f"batch {visible(chosen[0])}" if axis == "batch_size" else visible(chosen[0])
    last = visible(chosen[-1]) if axis == "batch_size" else value_words(axis, chosen[-1])
    return f"from {ends} to {last}"
