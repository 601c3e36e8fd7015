"""What a network is measured with, on its way to the runs' processes. No torch here."""

from pathlib import Path

from significand.workload.data import Dataset

Data = Dataset | Path | None
"""Samples and labels, the folder of a network that was examined (`significand.workload.trial`), or None for what is
made from the seed."""


def saved(data: Data, scratch: Path) -> Path | None:
    """Return where other processes find the data, written to a folder where they are nowhere yet; None for none."""
    if not isinstance(data, Dataset):
        return data
    path = scratch / "data.npz"
    data.save(path)
    return path
