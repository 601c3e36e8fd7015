"""What a summary row says, checked where it is read: it may come from a CSV or from a user's own code."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from significand.plan.metrics import ACCURACY, Metric, scored
from significand.plan.precision import MODES
from significand.plan.problems import shown
from significand.present.words.numbers import by_share
from significand.results.records import told_method

SEQUENTIAL = told_method("t", sequential=True)
"""What a summary row says of its intervals where the repeats went on until these were narrow enough."""

SummaryRow = Mapping[str, object]


@dataclass(frozen=True)
class Cell:
    """The mean of one metric in one row and the half-width of its interval; NaN for what does not exist."""

    mean: float
    half_width: float

    @property
    def bar(self) -> tuple[float, float] | None:
        """The ends of the interval."""
        return None if math.isnan(self.half_width) else (self.mean - self.half_width, self.mean + self.half_width)

    def in_unit(self, size: float) -> "Cell":
        """Return the same in a unit of that size."""
        return Cell(self.mean / size, self.half_width / size)


def given_rows(rows: Iterable[SummaryRow]) -> list[SummaryRow]:
    """Return rows as a list: whoever gives a generator can go through it only once.

    Raises
    ------
    TypeError
        If they are no collection of dicts.
    """
    remedy = (
        "give a list of dicts, one a row; of a polars frame that is its to_dicts(), of a pandas one its "
        "to_dict('records')"
    )
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise TypeError(f"rows: type {type(rows).__name__} is not a list of rows; {remedy}.")
    listed = list(rows)
    for index, row in enumerate(listed):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {index}: type {type(row).__name__} is not a dict; {remedy}.")
    return listed


def mode_names(rows: Sequence[SummaryRow]) -> list[str]:
    """Return the precision mode of every row.

    Raises
    ------
    ValueError
        If a row has none.
    """
    for index, row in enumerate(rows):
        if row.get("precision_mode") is None:
            raise ValueError(
                f"summary row {index}: precision_mode is missing; the keys are {sorted(row)}. "
                "Give rows as run_repeated_benchmarks returns them."
            )
    return [str(row["precision_mode"]) for row in rows]


def setup_name(row: SummaryRow) -> str:
    """Return what a row's setup is called: by its precision mode alone in rows of a user's own."""
    return str(row.get("setup") or row.get("precision_mode"))


def number(row: SummaryRow, key: str) -> float:
    """Read a number; a missing, None or empty cell (as in the CSV) is NaN.

    Raises
    ------
    ValueError
        If the cell holds something else.
    """
    value = row.get(key)
    if value is None or value == "":
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]  # anything that converts is welcome; the rest is refused
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"summary row of {row.get('precision_mode')!r}: {key} is {shown(value)}; it must be a number. "
            "Leave it out or give None where there is no value."
        ) from None


def repeats(row: SummaryRow) -> int:
    """Read the number of finished runs.

    Raises
    ------
    ValueError
        If it is missing or not a count.
    """
    count = number(row, "repeats")
    if not (math.isfinite(count) and count >= 0):
        raise ValueError(
            f"summary row of {row.get('precision_mode')!r}: repeats is {row.get('repeats')!r}; it must be a count of "
            "0 or more. Without it, nobody can say what an interval means."
        )
    return int(count)


def cell(row: SummaryRow, metric: str) -> Cell:
    """Read a metric's mean and half-width; a single run has no interval, whatever its cell holds.

    Raises
    ------
    ValueError
        If the row has no count of repeats, or a cell holds something else than a number.
    """
    half_width = number(row, f"{metric}_ci95")
    has_interval = repeats(row) >= 2 and math.isfinite(half_width) and half_width >= 0
    return Cell(number(row, f"{metric}_mean"), half_width if has_interval else math.nan)


def formats(row: SummaryRow) -> str:
    """Write what a setup really computed in, several formats with their shares of the work; empty where unknown."""
    told, shares = (str(row.get(f"effective_{name}") or "") for name in ("precision", "shares"))
    try:
        by_format = dict(zip(told.split("+"), map(float, shares.split("+")), strict=True))
    except ValueError:  # of an earlier version, or of runs that differ
        return told
    return by_share(by_format)


def other_format(row: SummaryRow) -> str:
    """Return the format that a setup really computed in where its mode infers in another; empty where it matches."""
    mode, effective = str(row.get("precision_mode")), str(row.get("effective_precision") or "")
    # A mode that is not in the table, from a user's own rows, is taken by its name.
    expected = MODES[mode].infers_in if mode in MODES else mode
    return "" if effective == expected else formats(row)


def energy_estimated(row: SummaryRow) -> bool:
    """Tell whether any of the row's energy is not measured; a row that does not say is not accused."""
    return (row.get("energy_kind") or "measured") != "measured"


def sequential(row: SummaryRow) -> bool:
    """Tell whether the repeats went on until the intervals were narrow enough."""
    return row.get("interval_method") == SEQUENTIAL


def visible(text: object) -> str:
    """Make control characters visible: a name can break neither a line nor a terminal."""
    shown = str(text)
    if shown.isprintable():  # as nearly all are
        return shown
    return "".join(character if character.isprintable() else "\ufffd" for character in shown)


def mapping(value: object) -> Mapping[str, object]:
    """Return a part of a manifest where it is a mapping, and an empty one in place of all else."""
    return value if isinstance(value, Mapping) else {}


def enumerated(values: Iterable[object]) -> str:
    """Write values one after the other: ``"1, 8 and 32"``."""
    *first, last = [visible(value) for value in values] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def metrics_in(rows: Sequence[SummaryRow]) -> Mapping[str, Metric]:
    """Return every metric by its name, the accuracies as the kind of score that the rows say they are."""
    return scored(next((str(row["score_kind"]) for row in rows if row.get("score_kind")), ACCURACY))


def made_up(rows: Sequence[SummaryRow]) -> bool:
    """Tell whether the inputs that were measured with are made up; a CSV has that as a text."""
    return any(str(row.get("made_up_inputs")).lower() == "true" for row in rows)


def quality_of(rows: Sequence[SummaryRow]) -> str:
    """Return which metric says how good the setups are: of training, and of held-out examples where nothing trained."""
    trained = any(math.isfinite(number(row, "accuracy_mean")) for row in rows)
    held_out = any(math.isfinite(number(row, "test_accuracy_mean")) for row in rows)
    return "accuracy" if trained or not held_out else "test_accuracy"
