"""Reading what a result folder holds. Anybody may have written it: sizes have bounds, and nothing is believed."""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, get_args

import numpy as np
import psutil

from significand.meters.steps import Phase
from significand.plan.problems import shown
from significand.results.contents import DETAIL_ARRAYS
from significand.results.files import ELSEWHERE, counted, lines_of, most_table_bytes, open_to_read
from significand.results.records import Run, TableError
from significand.results.values import check_encodable

MANIFEST_BYTES = 4_000_000
"""Size of a manifest.json, at most. One has some thousand bytes."""

DETAILS_BYTES = 1_000_000_000
"""Size of the single times behind a run, packed or not, at most: some sixty million calls."""

MOST_COLUMNS = 1_000
"""Of a table of runs: a short line would be filled up to all of them."""

MOST_MEMBERS = 1_000
"""Arrays in a file of single times, by the room that their list takes. `DETAIL_ARRAYS` are all that is written."""

PHASES = get_args(Phase)
"""What a step can be part of."""

_LOCATOR_BYTES = 20
"""Before the next record, where the archive is one of 64 bits (the same, 4.3.15)."""

_LEAST_ENTRY_BYTES = 46
"""Of an array in the list of all arrays (the same, 4.3.12)."""

_END_OF_ZIP = struct.Struct("<4s4H2LH")
"""End of central directory record (PKWARE, APPNOTE 6.3.10, 4.3.16): signature, disks, entries, size, place, comment."""


def read_runs(path: Path) -> list[Run]:
    """Read the runs of a raw_runs.csv.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is no such table, or too large; the text says where, or why.
    """
    _, runs = read_table(path)
    return runs


def read_table(path: Path) -> tuple[Sequence[str], list[Run]]:
    """Read the columns and the runs of a raw_runs.csv.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is no such table, or too large; the text says where, or why.
    """
    with open_to_read(path, most_table_bytes(), ELSEWHERE) as raw:
        # A table that went through an editor may begin with a byte order mark.
        file: IO[str] = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        lines = csv.reader(lines_of(path, file))
        try:
            columns = next(lines, [])
            check_columns(columns)
            # What ends early lacks its last cells; what goes on too long has cells without a name.
            filled = ([*line, *[None] * (len(columns) - len(line))] for line in lines if line)
            return columns, [Run.from_row(dict(zip(columns, line, strict=False))) for line in counted(path, filled)]
        except csv.Error as error:
            raise ValueError(f"{str(path)!r} is not a CSV table: {error}") from None


def check_columns(columns: Sequence[str]) -> None:
    """Find out whether these can be the columns of a table of runs.

    Raises
    ------
    TableError
        When there are too many, or one is there twice.
    """
    if len(columns) > MOST_COLUMNS:
        raise TableError(f"it has {len(columns)} columns, at most {MOST_COLUMNS} are read; it is no table of runs")
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise TableError(f"it has the column {shown(name)} twice; remove one")
        seen.add(name)


def read_json_object(path: Path) -> dict[str, object]:
    """Read a JSON object; nothing where there is no file, or it is damaged or too large."""
    try:
        with open_to_read(path, MANIFEST_BYTES, "") as file:
            value = json.loads(file.read().decode("utf-8-sig", errors="surrogateescape"))
        check_encodable(value)
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_details(path: Path) -> dict[str, np.ndarray]:
    """Read the single times behind a run, those of `DETAIL_ARRAYS`; nothing where there is no such file.

    Raises
    ------
    ValueError
        When the file is damaged or too large.
    """
    most_bytes = min(DETAILS_BYTES, psutil.virtual_memory().available // 2)
    try:
        with open_to_read(path, most_bytes, "remove it") as file:
            _check_directory(file)
            with np.load(file, allow_pickle=False) as archive:
                names = [name for name in DETAIL_ARRAYS if name in archive.files]
                _check_members(archive.zip.infolist(), names, most_bytes)
                return {name: _times(name, archive[name]) for name in names}
    except FileNotFoundError:
        return {}
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        raise ValueError(f"{str(path)!r} is damaged: {error}") from None


def _check_directory(file: IO[bytes]) -> None:
    """Refuse an archive of more members than ours have, before they are all looked at."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_OF_ZIP.size - _LOCATOR_BYTES))
    before, end = (tail := file.read())[: -_END_OF_ZIP.size], tail[-_END_OF_ZIP.size :]
    file.seek(0)
    # Ours end with this record, without a comment, and are too small for the records of 64 bits.
    if len(end) < _END_OF_ZIP.size or not end.startswith(b"PK\5\6") or before.startswith(b"PK\6\7"):
        raise ValueError("it is no .npz file as numpy.savez writes it")
    entries, size_bytes = _END_OF_ZIP.unpack(end)[4:6]
    if max(entries, size_bytes // _LEAST_ENTRY_BYTES) > MOST_MEMBERS:
        raise ValueError(f"it has more than {MOST_MEMBERS} arrays")


def _check_members(members: Sequence[zipfile.ZipInfo], names: Sequence[str], most_bytes: int) -> None:
    """Refuse arrays that unpack to more than there is room for: a few kB can stand for any number of zeros."""
    wanted = [member for member in members if member.filename.removesuffix(".npy") in names]
    for member in wanted:
        # zlib is unpacked piece by piece, up to the size that is checked below; the other methods in large pieces.
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ValueError(f"{member.filename} is packed by a method that NumPy does not use")
    if (unpacked := sum(member.file_size for member in wanted)) > most_bytes:
        raise ValueError(
            f"it unpacks to {unpacked / 1e6:.0f} MB, at most {most_bytes / 1e6:.0f} MB are read here; remove it"
        )


def _times(name: str, values: object) -> np.ndarray:
    """Return an array as what stands in the table of arrays: one entry each, numbers or, of a phase, texts."""
    array = np.asarray(values)  # a member that is no array comes as bytes
    # Entries without size can be any number, whatever the file holds.
    if array.ndim != 1 or not array.dtype.itemsize:
        raise ValueError(f"{name} has the shape {array.shape} of {array.dtype}; it must be a list")
    if name != "step_phase":
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds {array.dtype}, not numbers")
    elif array.size and not (array.dtype.kind == "U" and np.isin(array, PHASES).all()):
        raise ValueError(f"{name} holds something else than {' and '.join(PHASES)}")
    return array
