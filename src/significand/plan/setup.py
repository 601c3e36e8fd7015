"""One point of the grid as a value, and how all points are measured."""

import hashlib
import re
from dataclasses import dataclass, field, replace

from significand.meters.steps import NoisePolicy
from significand.plan.precision import CALIBRATION_SAMPLES, MODES

AXES = ("options", "precision", "engine", "device", "batch_size", "threads", "calibration_samples", "variant")
"""Fields by which the setups of one experiment may differ, in the order in which names tell them."""

HERE, OTHER = "here", "other"
"""Variants of setups that are measured in two Python environments: this one, and the one that they are held against."""


def name_of(*words: str) -> str:
    """Return what a setup is called, by its precision and what else tells it from the others; files take the name."""
    return "-".join(filter(None, words)).replace(":", "-")


@dataclass(frozen=True)
class Perceptron:
    """The workload where nothing else is asked for: a multilayer perceptron, its data, how it is trained."""

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    data: str
    n_samples: int
    test_fraction: float
    epochs: int
    optimizer: str
    learning_rate: float
    momentum: float

    model = "mlp"

    @property
    def layers(self) -> str:
        """The layer sizes as written in tables: ``"64x128x10"``."""
        return "x".join(map(str, self.layer_sizes))


@dataclass(frozen=True)
class Network:
    """Any other workload: a network of a Python file, a built-in one, or an ONNX file. Fields as in `Experiment`.

    Attributes
    ----------
    model
        Where it is: ``"cnn.py"``, ``"cnn.py:make"``, ``"package.module:name"``, ``"net.onnx"``.
    data
        A file; None for the data that come with it.
    n_samples
        None for all.
    shape
        Sizes of an ONNX file's dynamic axes, as ``"seq=128"``, where inputs are made up.
    """

    model: str
    data: str | None
    n_samples: int | None
    test_fraction: float
    epochs: int
    optimizer: str
    learning_rate: float
    momentum: float
    shape: tuple[str, ...] = ()

    layers = ""
    activations = ()

    @property
    def is_onnx(self) -> bool:
        """Whether it is an ONNX file, which is only inferred."""
        return is_onnx(self.model)


Workload = Perceptron | Network


def _in_file_names(options: str) -> str:
    """Return options as they may stand in the name of a file: still another for others."""
    plain = re.sub(r"[^\w.=;-]", "_", options)
    return plain if plain == options else f"{plain}-{hashlib.sha256(options.encode()).hexdigest()[:6]}"


def is_onnx(model: str) -> bool:
    """Tell whether a model is an ONNX file, by its name."""
    return model.lower().endswith(".onnx")


@dataclass(frozen=True)
class Setup:
    """One point of the grid: everything that tells a run from the others of its repeat.

    Attributes
    ----------
    workload
        What is measured.
    options
        What the user's `model` is called with, as ``"width=64;depth=2"``.
    precision, engine, device, batch_size, threads
        The precision mode; what executes the trained network, and where; samples per training step and per call.
    calibration_samples
        Training examples that scales are taken from, at most; None where the mode takes none.
    variant
        Tells equal setups apart: `HERE` and `OTHER` those of two environments, other words those of the self-test.
    slowdown
        The share of its own time by which every call is made longer, in the same frame at every share, 0 included; None
        for the bare call. Only the self-test uses it.
    name
        What the setup is called in its experiment: its precision, and the other axes on which the experiment has
        several values. In file names and messages.
    """

    workload: Workload
    precision: str
    engine: str
    batch_size: int
    threads: int
    device: str = "cpu"
    variant: str = ""
    slowdown: float | None = None
    options: str = ""
    calibration_samples: int | None = None
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        calibrates = self.precision in MODES and MODES[self.precision].calibration
        samples = (self.calibration_samples or CALIBRATION_SAMPLES) if calibrates else None
        object.__setattr__(self, "calibration_samples", samples)
        if not self.name:
            object.__setattr__(self, "name", name_of(self.precision, self.variant))

    @property
    def key(self) -> tuple[str, ...]:
        """Its value on every axis, as text: equal for the same setup in any experiment."""
        return tuple(str(getattr(self, axis)) for axis in AXES)

    def named(self, varying: frozenset[str]) -> "Setup":
        """Return the same setup, named by its precision and by its values on the axes that vary."""
        words = {
            "options": _in_file_names(self.options),
            "engine": self.engine,
            "device": self.device,
            "batch_size": f"b{self.batch_size}",
            "threads": f"t{self.threads}",
            "calibration_samples": f"c{self.calibration_samples}" if self.calibration_samples else "",
            "variant": self.variant,
        }
        told = [self.precision, *(word for axis, word in words.items() if axis in varying or axis == "variant")]
        return replace(self, name=name_of(*told))


@dataclass(frozen=True)
class Protocol:
    """How every run of an experiment is measured.

    Attributes
    ----------
    latency_rounds, round_duration_s
        Short latency measurements per run, and the length of each.
    noise
        What to do about others on the machine.
    step_timeout_s
        A run with a longer step is ended as failed.
    """

    latency_rounds: int
    round_duration_s: float
    noise: NoisePolicy
    step_timeout_s: float
