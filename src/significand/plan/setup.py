"""One point of the grid as a value, and how all points are measured."""

from dataclasses import dataclass, field, replace

from significand.meters.steps import NoisePolicy

AXES = ("precision", "engine", "device", "batch_size", "threads", "variant")
"""Fields by which the setups of one experiment may differ, in the order in which names tell them."""


def name_of(*words: str) -> str:
    """Return what a setup is called, by its precision and what else tells it from the others."""
    return "-".join(filter(None, words))


@dataclass(frozen=True)
class Perceptron:
    """The built-in workload: a multilayer perceptron, its data, and how it is trained. Fields as in `Experiment`."""

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    data: str
    n_samples: int
    test_fraction: float
    epochs: int
    optimizer: str
    learning_rate: float
    momentum: float

    @property
    def layers(self) -> str:
        """The layer sizes as written in tables: ``"64x128x10"``."""
        return "x".join(map(str, self.layer_sizes))


@dataclass(frozen=True)
class Setup:
    """One point of the grid: everything that tells a run from the others of its repeat.

    Attributes
    ----------
    workload
        What is measured.
    precision, engine, device, batch_size, threads
        The precision mode; what executes the trained network, and where; samples per training step and per call.
    variant, slowdown
        Tell equal setups apart, and the share of its own time by which every call is made longer, in the same frame at
        every share, 0 included; None for the bare call. Only the self-test uses them.
    name
        What the setup is called in its experiment: its precision, and the other axes on which the experiment has
        several values. In file names and messages.
    """

    workload: Perceptron
    precision: str
    engine: str
    batch_size: int
    threads: int
    device: str = "cpu"
    variant: str = ""
    slowdown: float | None = None
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", name_of(self.precision, self.variant))

    @property
    def key(self) -> tuple[str, ...]:
        """Its value on every axis, as text: equal for the same setup in any experiment."""
        return tuple(str(getattr(self, axis)) for axis in AXES)

    def named(self, varying: frozenset[str]) -> "Setup":
        """Return the same setup, named by its precision and by its values on the axes that vary."""
        words = {
            "engine": self.engine,
            "device": self.device,
            "batch_size": f"b{self.batch_size}",
            "threads": f"t{self.threads}",
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
