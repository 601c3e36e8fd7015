"""What a check of a user's functions comes to, good or bad. No torch here: whoever asks for the check has none."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from significand.plan.problems import capped
from significand.workload.held import Held

FACTS, PICKLED = "examined.json", "functions.pkl"
"""Files in the folder of an examination: itself, and the functions that are in no file."""

MOST_PROBED, FEWEST_PROBED = 1024, 8
PROBING_S = 2.0
DOUBLE_COST = 3.0
"""How much longer than in float32 a network takes in float64, roughly."""

ALL_FRAMES = "SIGNIFICAND_ALL_FRAMES"
"""Variable of the environment with which a traceback shows libraries' lines, too; ``--traceback`` sets it."""

NAMES = ("model", "data", "train_data", "test_data", "loss", "score", "optimizer", "training_loss")
"""Functions that a network may bring, as names in a file or as keywords from Python."""

Signature = Mapping[str, tuple[tuple[int, ...], str]]
"""Arrays by name: the shape without the axis of the examples, and the type."""


def are_values(shape: tuple[int, ...], dtype: str) -> bool:
    """Tell whether an output, its shape without the axis of the examples, holds values, and no class or label."""
    return "float" in dtype and not (len(shape) == 1 and shape[0] > 1)


def structure_of(folder: Path, number: int) -> Path:
    """Return where an examination leaves the structure of the network with one of the options."""
    return folder / f"structure-{number}"


def why_no(structure: Path) -> Path:
    """Return where it says why there is none."""
    return structure.with_suffix(".txt")


class ProgramError(ValueError):
    """A user's functions cannot be measured.

    Attributes
    ----------
    problems
        One line a mistake: the function, what came, what is wanted.
    trace
        The traceback of the user's own frames; empty where there are none.
    """

    def __init__(self, problems: Iterable[str], trace: str = "") -> None:
        self.problems = capped(problems)
        self.trace = trace
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["ProgramError"], tuple[tuple[str, ...], str]]:
        """Say how it travels between processes."""
        return type(self), (self.problems, self.trace)


@dataclass(frozen=True)
class Examined:
    """What the user's functions are, as found by calling them.

    Attributes
    ----------
    inputs, targets
        What the arrays are; no targets where the data have no labels.
    outputs
        Shape without the axis of the examples, and type, of each output, in the order of an ONNX graph's.
    n_train, n_test
        Examples to train on and held out; without the latter, the former are still to be split.
    score
        ``"accuracy"`` and ``"R²"`` by default, ``"score"`` of the user's own function, ``"none"`` without targets.
    per_example
        Whether the score has a value for each example, so that they can be paired.
    classes
        How many there are, where integer targets are scored by default.
    parameters, size_mb
        Numbers that training may change, and megabytes (10^6 bytes) of these and of the buffers.
    forward_s
        Seconds of one forward of one example on one thread in torch; rough.
    threads_started
        Whether the user's code leaves threads behind, which a fork would lose.
    held
        The user's files: what is imported, what is opened, the data.
    data_sha256, weights_sha256
        Digests of the data, and of the weights that ``model`` begins with for the experiment's seed; the latter is
        empty where they are in a held file.
    notes
        What is worth knowing and no mistake.
    options
        What the network was examined with: a structure each, in this order.
    fixed_batch
        How many examples a call of an ONNX file takes, where that is fixed.
    quantised
        What an ONNX file is in already; empty where it is not quantised.
    made_up
        Whether the inputs are made up.
    working_directory
        The user's: what their functions open may be named from there.
    not_alone
        Why the network cannot be trained on a batch of one example, as with batch norm; empty where it can.
    source
        Where the user's file is, and the name in it, on a machine that it was brought to; empty where it is what the
        experiment says.
    """

    inputs: Signature
    targets: Signature | None
    outputs: tuple[tuple[tuple[int, ...], str], ...]
    n_train: int
    n_test: int | None
    score: str
    per_example: bool
    classes: int | None
    parameters: int
    size_mb: float
    forward_s: float
    threads_started: bool
    data_sha256: str
    notes: tuple[str, ...]
    held: tuple[Held, ...] = ()
    weights_sha256: str = ""
    options: tuple[str, ...] = ("",)
    fixed_batch: int | None = None
    quantised: str = ""
    made_up: bool = False
    working_directory: str = ""
    not_alone: str = ""
    source: str = ""

    @property
    def files(self) -> dict[str, str]:
        """The digests of the user's files by name."""
        return {file.name: file.sha256 for file in self.held if file.name}

    @property
    def sources(self) -> dict[str, str] | None:
        """The digests of the user's files by where they are; None where not all have a place of their own."""
        return {file.path: file.sha256 for file in self.held} if all(file.path for file in self.held) else None

    @property
    def probe_examples(self) -> int:
        """Held-out examples that the output error is taken over: as many as the yardstick computes in about 2 s."""
        least = self.fixed_batch or FEWEST_PROBED
        affordable = int(PROBING_S / (DOUBLE_COST * max(self.forward_s, 1e-9)))
        return min(MOST_PROBED, max(least, affordable))

    def told(self) -> dict[str, Any]:
        """Return what a result folder tells of the network."""
        names = ("parameters", "size_mb", "score", "per_example", "quantised", "made_up")
        told = {name: getattr(self, name) for name in names}
        told |= {"weights_sha256": self.weights_sha256} if self.weights_sha256 else {}
        return told | {"score": self._score_kind, "files": self.files, "notes": list(self.notes)}

    @property
    def _score_kind(self) -> str:
        """What the score is, a key of `significand.plan.metrics.SCORES`."""
        if self.score != "none":
            return self.score
        shape, dtype = self.outputs[0]
        return "agreement R²" if are_values(shape, dtype) else "agreement"

    def write(self, folder: Path) -> None:
        """Write it to a folder, for `read`."""
        (folder / FACTS).write_text(json.dumps(self.to_json()), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        return cls.from_json(json.loads((folder / FACTS).read_text("utf-8")))

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made from."""
        values = {one.name: told[one.name] for one in fields(cls) if one.name in told}
        for name in ("inputs", "targets"):
            signature = values[name]
            values[name] = signature and {key: (tuple(shape), dtype) for key, (shape, dtype) in signature.items()}
        outputs = tuple((tuple(shape), dtype) for shape, dtype in values["outputs"])
        held = tuple(Held(**file) for file in values["held"])
        lists = {name: tuple(values[name]) for name in ("notes", "options")}
        return cls(**values | lists | {"outputs": outputs, "held": held})
