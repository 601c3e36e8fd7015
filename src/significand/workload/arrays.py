"""Inputs and targets as a network's user gives them: one array, a tuple or a dict of them, examples first."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Form = Literal["one", "tuple", "dict"]
Feeds = Mapping[str, NDArray[Any]]
"""Arrays by the name of the input, examples first: what an engine's session takes."""

BATCH, BATCH_BYTES = 32, 1_000_000
"""Examples, and bytes of their inputs, at most in a batch that nobody times: the values between the layers are many
times as large."""


@dataclass(frozen=True)
class Arrays:
    """Arrays of one length, examples first.

    Attributes
    ----------
    by_name
        At least one array. Those of a dict have its keys; one alone, and those of a tuple, have made-up names.
    form
        How they were given, and so how the user's functions get them.
    """

    by_name: Feeds
    form: Form = "one"

    def __len__(self) -> int:
        return len(next(iter(self.by_name.values())))

    def take(self, rows: "NDArray[np.int64] | slice") -> "Arrays":
        """Return some of the examples."""
        return Arrays({name: array[rows] for name, array in self.by_name.items()}, self.form)

    def untimed_batch(self) -> int:
        """Return how many examples go into a batch that nobody times, at least one."""
        bytes_each = sum(array[:1].nbytes for array in self.by_name.values())
        return max(1, min(BATCH, len(self), int(BATCH_BYTES / max(1, bytes_each))))

    def as_given(self, values: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - one, a tuple or a dict
        """Return the arrays, or `values` by their names, in the form in which they were given."""
        values = self.by_name if values is None else values
        if self.form == "dict":
            return dict(values)
        return tuple(values.values()) if self.form == "tuple" else next(iter(values.values()))

    def sha256(self) -> str:
        """Return a digest of names, types, shapes and content."""
        digest = hashlib.sha256(self.form.encode())
        for name, array in self.by_name.items():
            digest.update(repr((name, array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the arrays to a new folder, for `load_arrays`."""
        folder.mkdir()
        for at, array in enumerate(self.by_name.values()):
            np.save(folder / f"{at}.npy", array, allow_pickle=False)
        (folder / "names.json").write_text(json.dumps({"form": self.form, "names": list(self.by_name)}), "utf-8")


def load_arrays(folder: Path) -> Arrays:
    """Open what `Arrays.save` wrote; its content is read when it is used."""
    told = json.loads((folder / "names.json").read_text("utf-8"))
    arrays = {name: np.load(folder / f"{at}.npy", mmap_mode="r") for at, name in enumerate(told["names"])}
    return Arrays(arrays, told["form"])


def called(module: Any, inputs: Any) -> Any:  # noqa: ANN401 - a module's own types
    """Call a network with inputs in the form in which they were given: a dict as keyword arguments."""
    if isinstance(inputs, dict):
        return module(**inputs)
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)
