import io
import zipfile

import numpy as np
import pytest

from significand.plan.archives import unpacked_bytes


def members(**packed_by: int) -> list[zipfile.ZipInfo]:
    """Return what an archive says of an array of 1000 zeros by each name, packed by that method."""
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        for name, method in packed_by.items():
            np.save(file := io.BytesIO(), np.zeros(1000))
            archive.writestr(f"{name}.npy", file.getvalue(), method)
        return archive.infolist()


def test_wanted_arrays_are_counted_as_large_as_they_unpack() -> None:
    """1000 numbers of 8 bytes behind a header of 128, packed or not; others do not count, whatever their method."""
    listed = members(a=zipfile.ZIP_STORED, b=zipfile.ZIP_DEFLATED, c=zipfile.ZIP_BZIP2)
    assert unpacked_bytes(listed, ["a", "b"]) == 2 * (8 * 1000 + 128)


def test_what_is_unpacked_in_large_pieces_is_refused() -> None:
    """Its size would be believed before it is known."""
    with pytest.raises(ValueError, match=r"c\.npy is packed by a method that NumPy does not use"):
        unpacked_bytes(members(c=zipfile.ZIP_BZIP2), ["c"])
