"""What a .npz file that anybody may have written says of itself, before any of it is unpacked."""

import zipfile
from collections.abc import Collection, Iterable


def unpacked_bytes(members: Iterable[zipfile.ZipInfo], names: Collection[str]) -> int:
    """Return what the arrays of these names take unpacked: a few kB can stand for any number of zeros.

    Raises
    ------
    ValueError
        Where one is packed by a method that NumPy does not use.
    """
    wanted = [member for member in members if member.filename.removesuffix(".npy") in names]
    for member in wanted:
        # zlib is unpacked piece by piece, up to the size that is returned; the other methods in large pieces.
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ValueError(f"{member.filename} is packed by a method that NumPy does not use")
    return sum(member.file_size for member in wanted)
