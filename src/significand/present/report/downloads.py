"""The tables of a result folder inside the page, so that whoever has the page has the numbers."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from significand.analysis.claims import comparison_row
from significand.evidence import Evidence
from significand.results.files import TooLargeError, open_to_read
from significand.results.records import Run
from significand.results.store import COMPARISONS_CSV, RAW_RUNS, SUMMARY_CSV
from significand.results.values import cell


@dataclass(frozen=True)
class Download:
    """A file inside the page: its name, its size in kB, and its address; empty where it was left out for its size."""

    name: str
    size_kb: float
    address: str


def downloads(evidence: Evidence, room: int) -> list[Download]:
    """Return the tables of runs, summary and comparisons; the largest stay out where they do not fit.

    Parameters
    ----------
    room
        Bytes of the page that they may take.
    """
    contents = {name: _content(evidence, name, room) for name in (RAW_RUNS, SUMMARY_CSV, COMPARISONS_CSV)}
    addresses = {
        name: f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode('ascii')}"
        for name, content in contents.items()
        if content is not None
    }
    inside = sorted(addresses, key=lambda name: len(addresses[name]))
    while inside and sum(len(addresses[name]) for name in inside) > room:
        inside.pop()
    return [
        Download(
            name,
            (len(content) if content is not None else (evidence.folder / name).stat().st_size) / 1000,
            addresses[name] if name in inside else "",
        )
        for name, content in contents.items()
    ]


def _content(evidence: Evidence, name: str, room: int) -> bytes | None:
    """Return a table as it is in the folder; where it is not there, as it would be; None where it is too large."""
    path = evidence.folder / name
    try:
        if not path.is_symlink():  # the page may be passed on, and a link may lead to anything
            with open_to_read(path, room, "") as file:
                return file.read()
    except TooLargeError:
        return None
    except OSError:
        pass
    if name == RAW_RUNS:
        return _csv([run.to_row() for run in evidence.runs], [column.name for column in fields(Run)])
    rows = evidence.rows if name == SUMMARY_CSV else [comparison_row(one) for one in evidence.claims.comparisons]
    return _csv(rows, list(dict.fromkeys(key for row in rows for key in row)))


def _csv(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    # A file name that is not UTF-8 shall not cost the table that mentions it.
    return text.getvalue().encode("utf-8", errors="surrogateescape")
