"""Reading what a result folder holds. Anybody may have written it: sizes have bounds, and nothing is believed."""

import io
import json
import struct
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, get_args

import numpy as np
import psutil

from significand.meters.steps import Phase
from significand.plan.archives import unpacked_bytes
from significand.results.contents import DETAIL_ARRAYS, EXAMPLE_ARRAYS
from significand.results.files import TooLargeError, open_to_read
from significand.results.values import check_encodable

MANIFEST_BYTES = 4_000_000
"""Size of a manifest.json, at most. One has some thousand bytes."""

DETAILS_BYTES = 1_000_000_000
"""Size of the single times behind a run, packed or not, at most: some sixty million calls."""

MOST_MEMBERS = 1_000
"""Arrays in a file of single times, by the room that their list takes. `DETAIL_ARRAYS` are all that is written."""

MOST_RUNS = 50_000
"""Files in the archive of a block, by the room that their list takes."""

TEXTS = frozenset({"setup_name", *(f"operator_{name}" for name in ("name", "kind", "format", "note"))})

PHASES = get_args(Phase)
"""What a step can be part of."""

_LOCATOR_BYTES = 20
"""Before the next record, where the archive is one of 64 bits (the same, 4.3.15)."""

_LEAST_ENTRY_BYTES = 46
"""Of an array in the list of all arrays (the same, 4.3.12)."""

_END_OF_ZIP = struct.Struct("<4s4H2LH")
"""End of central directory record (PKWARE, APPNOTE 6.3.10, 4.3.16): signature, disks, entries, size, place, comment."""


def read_json_object(path: Path) -> dict[str, object]:
    """Read a JSON object; nothing where there is no file, or it is damaged or too large."""
    try:
        with open_to_read(path, MANIFEST_BYTES, "") as file:
            return json_object(file.read())
    except (OSError, TooLargeError):
        return {}


def json_object(text: bytes) -> dict[str, object]:
    """Return the JSON object that a text is; nothing where it is none."""
    try:
        value = json.loads(text.decode("utf-8-sig", errors="surrogateescape"))
        check_encodable(value)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_details(path: Path) -> dict[str, np.ndarray]:
    """Read the single times behind a run, those of `DETAIL_ARRAYS`; nothing where there is no such file.

    Those of a block that was sent from another machine are in one archive, ``details/r003.zip``.

    Raises
    ------
    ValueError
        When the file is damaged or too large.
    """
    return _read_arrays(path, DETAIL_ARRAYS)


def read_examples(path: Path) -> dict[str, np.ndarray]:
    """Read the scores of all examples, `EXAMPLE_ARRAYS`; nothing where there is no such file.

    Raises
    ------
    ValueError
        When the file is damaged or too large, or its arrays do not fit together.
    """
    arrays = _read_arrays(path, EXAMPLE_ARRAYS)
    if not arrays:
        return {}
    if lacking := EXAMPLE_ARRAYS.keys() - arrays.keys():
        raise ValueError(f"{str(path)!r} is damaged: it lacks {', '.join(sorted(lacking))}")
    names, codes = arrays["setup_name"], arrays["setup"]
    is_whole = all(arrays[name].dtype.kind in "iu" for name in ("setup", "repeat", "example", "answer"))
    is_one_each = len({arrays[name].size for name in EXAMPLE_ARRAYS if name != "setup_name"}) == 1
    if not (is_whole and is_one_each and (not codes.size or 0 <= codes.min() <= codes.max() < names.size)):
        raise ValueError(f"{str(path)!r} is damaged: its arrays do not fit together")
    return arrays


def _read_arrays(path: Path, known: Collection[str]) -> dict[str, np.ndarray]:
    most_bytes = min(DETAILS_BYTES, psutil.virtual_memory().available // 2)
    try:
        with _opened(path, most_bytes) as file:
            _check_directory(file, MOST_MEMBERS)
            with np.load(file, allow_pickle=False) as archive:
                names = [name for name in known if name in archive.files]
                _check_room(unpacked_bytes(archive.zip.infolist(), names), most_bytes)
                return {name: _times(name, archive[name]) for name in names}
    except FileNotFoundError:
        return {}
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        raise ValueError(f"{str(path)!r} is damaged: {error}") from None


def _opened(path: Path, most_bytes: int) -> IO[bytes]:
    """Open a file, or take it out of the archive of its block.

    Raises
    ------
    FileNotFoundError
        Where it is in neither.
    """
    try:
        return open_to_read(path, most_bytes, "remove it")
    except FileNotFoundError:
        block = path.with_name(f"{path.name.partition('-')[0]}.zip")
        with open_to_read(block, most_bytes, "remove it") as file:
            _check_directory(file, MOST_RUNS)
            with zipfile.ZipFile(file) as archive:
                name = f"{path.parent.name}/{path.name}"
                if name not in archive.namelist():
                    raise
                if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
                    raise ValueError("it is packed otherwise than a block is") from None
                return io.BytesIO(archive.read(name))


def _check_directory(file: IO[bytes], most: int) -> None:
    """Refuse an archive of more members than ours have, before they are all looked at."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_OF_ZIP.size - _LOCATOR_BYTES))
    before, end = (tail := file.read())[: -_END_OF_ZIP.size], tail[-_END_OF_ZIP.size :]
    file.seek(0)
    # Ours end with this record, without a comment, and are too small for the records of 64 bits.
    if len(end) < _END_OF_ZIP.size or not end.startswith(b"PK\5\6") or before.startswith(b"PK\6\7"):
        raise ValueError("it is no .npz file as numpy.savez writes it")
    entries, size_bytes = _END_OF_ZIP.unpack(end)[4:6]
    if max(entries, size_bytes // _LEAST_ENTRY_BYTES) > most:
        raise ValueError(f"it has more than {most} {'arrays' if most == MOST_MEMBERS else 'files'}")


def _check_room(unpacked: int, most_bytes: int) -> None:
    if unpacked > most_bytes:
        raise ValueError(
            f"it unpacks to {unpacked / 1e6:.0f} MB, at most {most_bytes / 1e6:.0f} MB are read here; remove it"
        )


def _times(name: str, values: object) -> np.ndarray:
    """Return an array as what stands in the table of arrays: one entry each, numbers or texts."""
    array = np.asarray(values)  # a member that is no array comes as bytes
    # Entries without size can be any number, whatever the file holds.
    if array.ndim != 1 or not array.dtype.itemsize:
        raise ValueError(f"{name} has the shape {array.shape} of {array.dtype}; it must be a list")
    if name in TEXTS:
        if array.size and array.dtype.kind != "U":
            raise ValueError(f"{name} holds {array.dtype}, not texts")
    elif name != "step_phase":
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds {array.dtype}, not numbers")
    elif array.size and not (array.dtype.kind == "U" and np.isin(array, PHASES).all()):
        raise ValueError(f"{name} holds something else than {' and '.join(PHASES)}")
    return array
