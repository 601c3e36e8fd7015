"""The tables of a result folder inside the page, so that whoever has the page has the numbers."""

import base64
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from significand.analysis.claims import comparison_row
from significand.answers.folder import Folder
from significand.results.files import TooLargeError, open_to_read
from significand.results.store import COMPARISONS_CSV, RAW_RUNS, SUMMARY_CSV
from significand.results.values import cell


@dataclass(frozen=True)
class Download:
    """A file inside the page: its name, its size in kB, and its address; empty where it was left out for its size."""

    name: str
    size_kb: float
    address: str


def downloads(results: Folder, room: int) -> list[Download]:
    """Return the tables of runs, summary and comparisons; the largest stay out where they do not fit.

    Parameters
    ----------
    room
        Bytes of the page that they may take.
    """
    sizes = {name: _size(results, name) for name in (RAW_RUNS, SUMMARY_CSV, COMPARISONS_CSV)}
    made, left = {}, room
    for name in sorted(sizes, key=lambda name: sizes[name]):
        # A table of millions of runs is not even read.
        content = _content(results, name, left) if sizes[name] <= left else b""
        address = f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode('ascii')}"
        fits = bool(content) and len(address) <= left
        left = left - len(address) if fits else 0
        made[name] = Download(name, (len(content) or sizes[name]) / 1000, address if fits else "")
    return [made[name] for name in sizes]


def _size(results: Folder, name: str) -> int:
    """Return the bytes of a table in the folder; where it is not there, 0."""
    try:
        return (results.path / name).stat().st_size
    except OSError:
        return 0


def _content(results: Folder, name: str, room: int) -> bytes:
    """Return a table as it is in the folder; where it is not there, as it would be."""
    path = results.path / name
    try:
        if not path.is_symlink():  # the page may be passed on, and a link may lead to anything
            with open_to_read(path, room, "") as file:
                return file.read()
    except (OSError, TooLargeError):
        pass
    if name == RAW_RUNS:
        return _csv(results.runs.frame.iter_rows(named=True), results.runs.frame.columns)
    rows = results.rows if name == SUMMARY_CSV else [comparison_row(one) for one in results.claims.comparisons]
    return _csv(rows, list(dict.fromkeys(key for row in rows for key in row)))


def _csv(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    # A file name that is not UTF-8 shall not cost the table that mentions it.
    return text.getvalue().encode("utf-8", errors="surrogateescape")
