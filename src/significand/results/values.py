"""Values as files hold them: nothing is rounded, what is missing is missing."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def jsonable(value: object) -> object:
    """Return `value` with NaN and infinities as None and NumPy numbers as Python's: JSON knows neither."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def cell(value: object) -> object:
    """Return `value` as a cell of a CSV file: full precision, what is missing empty."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return repr(float(value))  # the shortest text that reads back as the same number
    return value


def check_encodable(value: object) -> None:
    """Find out whether what JSON says can be written to a text file again: JSON can hold half a character.

    Raises
    ------
    ValueError
        When it cannot.
    """
    json.dumps(value, ensure_ascii=False).encode("utf-8", errors="surrogateescape")
