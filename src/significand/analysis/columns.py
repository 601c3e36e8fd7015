"""Numbers as callers hold them: lists, generators, arrays, data frames' columns. This module may import NumPy only."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import NDArray

REMEDY = "give a list with one number each, None where there is none"


def numbers(name: str, values: object) -> NDArray[np.float64]:
    """Return values as an array of the same shape; what is missing (None, NaN, masked, an empty text) is NaN.

    Parameters
    ----------
    name
        How an error calls them.
    values
        Numbers, or texts that are numbers as a CSV file has them, in anything that can be gone through once.

    Raises
    ------
    TypeError
        If they are no collection, or one without order or with every value only once.
    ValueError
        If something among them is no number.
    """
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    unordered = isinstance(values, str | bytes | Mapping | AbstractSet)
    if unordered or not (isinstance(values, Iterable) or hasattr(values, "__array__")):
        raise TypeError(f"{name} is of type {type(values).__name__}; {REMEDY}.")
    try:
        if isinstance(values, np.ma.MaskedArray):
            return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
        array = _without_empty_texts(np.asarray(collected(values)))
        # NumPy would take a complex number's real part, and a date's nanoseconds.
        return array.astype(np.float64, casting="unsafe" if array.dtype.kind == "O" else "same_kind")
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be read as numbers: {error}; {REMEDY}.") from None


def _without_empty_texts(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "OU":
        return array
    kept = array.astype(object)
    kept[(np.char.strip(array) if array.dtype.kind == "U" else array) == ""] = None
    return kept


def collected(values: object) -> object:
    """Return what NumPy can make an array of: a generator, or what else can only be gone through, becomes a list."""
    return list(values) if isinstance(values, Iterable) and not hasattr(values, "__array__") else values


def column(name: str, values: object) -> NDArray[np.float64]:
    """Return values as an array of shape (n,); see `numbers`.

    Raises
    ------
    TypeError
        As `numbers` does.
    ValueError
        The same, or if they have more than one dimension or none.
    """
    array = numbers(name, values)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; it must be (n,): {REMEDY}.")
    return array
