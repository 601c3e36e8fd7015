import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from significand.results.read import read_details, read_json_object


@pytest.fixture
def details(tmp_path: Path) -> Path:
    """Return where single times are."""
    return tmp_path / "r000-int8.npz"


@pytest.mark.parametrize(
    "content",
    [b'{"a": "\\ud800"}', b'{"a": ' + b" " * 4_000_000 + b"1}", b"[1]", b"\xff\xfe{\0}\0"],
    ids=["half a character", "too large", "no object", "UTF-16"],
)
def test_a_manifest_that_cannot_be_is_nothing(content: bytes, tmp_path: Path) -> None:
    """What could not be written again, or is no object, is damaged."""
    (tmp_path / "manifest.json").write_bytes(content)
    assert read_json_object(tmp_path / "manifest.json") == {}


def test_a_manifest_that_went_through_an_editor_is_read(tmp_path: Path) -> None:
    """A byte order mark is not part of it."""
    (tmp_path / "manifest.json").write_text('\ufeff{"a": 1}', encoding="utf-8")
    assert read_json_object(tmp_path / "manifest.json") == {"a": 1}


def test_single_times_that_unfold_to_too_much_are_not_unpacked(details: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file of zeros is refused by what it would be, with the limit and the remedy."""
    np.savez_compressed(details, call_latency_s=np.zeros(10**6), call_round=np.zeros(10**6))
    assert details.stat().st_size < 20_000
    assert len(read_details(details)["call_latency_s"]) == 10**6
    monkeypatch.setattr("significand.results.read.DETAILS_BYTES", 9_000_000)
    monkeypatch.setattr(np.lib.format, "read_array", None)  # nothing may be unpacked
    with pytest.raises(ValueError, match="it unpacks to 16 MB, at most 9 MB are read here; remove it"):
        read_details(details)


def test_single_times_that_claim_gigabytes_are_refused(details: Path) -> None:
    """Two kilobytes whose list of contents says 2.2 GB are refused for what they say."""
    np.savez_compressed(details, call_latency_s=np.zeros(10))
    content = bytearray(details.read_bytes())
    at = content.index(b"PK\1\2") + 24  # APPNOTE 4.3.12: the uncompressed size
    content[at : at + 4] = struct.pack("<L", 2_200_000_000)
    details.write_bytes(content)
    with pytest.raises(ValueError, match="it unpacks to 2200 MB, at most"):
        read_details(details)


@pytest.mark.parametrize("kind", ["<f8", "|V0", "<U0"])
def test_an_array_that_claims_more_than_its_file_holds_is_refused(kind: str, details: Path) -> None:
    """Eight bytes of times whose header says 10^15 of them are damaged, also where an entry takes no room."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (1000000000000000,), }}\n".encode()
    member = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(8)
    with zipfile.ZipFile(details, "w") as archive:
        archive.writestr("call_latency_s.npy", member)
    with pytest.raises(ValueError, match="is damaged"):
        read_details(details)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("call_latency_s", np.float64(3), "has the shape \\(\\) of float64; it must be a list"),
        ("call_latency_s", np.zeros((2, 2)), "has the shape \\(2, 2\\)"),
        ("call_latency_s", np.array(["a"]), "holds <U1, not numbers"),
        ("call_round", np.zeros(3, "M8[s]"), "holds datetime64"),
        ("step_phase", np.array(["training", "other"]), "holds something else than training and inference"),
        ("step_phase", np.zeros(3), "holds something else than training and inference"),
    ],
)
def test_arrays_of_another_kind_are_refused(name: str, values: np.ndarray, words: str, details: Path) -> None:
    """Each is a list of numbers, or of a step's phases."""
    np.savez(details, **{name: values})  # type: ignore[arg-type]  # by name
    with pytest.raises(ValueError, match=f"{name} {words}"):
        read_details(details)


def test_arrays_that_nobody_knows_are_left_alone(details: Path) -> None:
    """They are not read, whatever they hold."""
    np.savez(details, call_latency_s=np.ones(2), other=np.array(["x"]))
    assert list(read_details(details)) == ["call_latency_s"]


@pytest.mark.slow
def test_archives_that_numpy_does_not_write_are_refused(details: Path) -> None:
    """Another packing, a comment, thousands of members, or an array alone."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(details, "w", method) as archive:
            archive.writestr("call_latency_s.npy", b"x")
        with pytest.raises(ValueError, match="packed by a method that NumPy does not use"):
            read_details(details)
    with zipfile.ZipFile(details, "w") as archive:
        archive.comment = b"x"
    with pytest.raises(ValueError, match=r"no \.npz file as numpy\.savez writes it"):
        read_details(details)
    for count in (1_100, 70_000):  # more than 65535 need the records of 64 bits
        with zipfile.ZipFile(details, "w") as archive:
            for number in range(count):
                archive.writestr(str(number), b"")
        with pytest.raises(ValueError, match=r"more than 1000 arrays|as numpy\.savez writes it"):
            read_details(details)
    np.save(plain := io.BytesIO(), np.zeros(3))
    details.write_bytes(plain.getvalue())
    with pytest.raises(ValueError, match=r"as numpy\.savez writes it"):
        read_details(details)


def test_single_times_in_a_pipe_are_not_waited_for(details: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(details)
    with pytest.raises(ValueError, match="it is a pipe, not a file"):
        read_details(details)
