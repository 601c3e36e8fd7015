"""One experiment, parsed and checked as a whole before anything runs; every mistake is reported at once."""

import functools
import math
import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from significand.meters.machine import available_cpus
from significand.meters.steps import OnNoise
from significand.plan.options import (
    ACTIVATIONS,
    BUILT_IN_DATA,
    FEWEST_SEQUENTIAL,
    LEARNING_RATES,
    OBJECTIVES,
    OPTIONS,
    SYNTHETIC_SAMPLES,
)
from significand.plan.precision import MODES
from significand.plan.problems import PlanError, nearest, problems_of, raise_if, shown

LARGEST_LAYER = 2**24

DATA_SUFFIXES = (".npz", ".csv")

ONLY_WITH_UNTIL = ("until_metric", "max_repeats", "max_time_s")
"""Fields that say how an experiment goes on until its intervals are narrow enough; alone they would be ignored."""


@dataclass(frozen=True)
class DataFacts:
    """What a plan needs to know of a data set: number of samples, features per sample, distinct labels."""

    n_samples: int
    n_features: int
    n_classes: int


@dataclass(frozen=True)
class Surroundings:
    """What the layers above know and a plan must fit.

    Attributes
    ----------
    engine_modes
        For each engine the modes that it runs.
    inspect_data
        Called with the name or path of the data and the label column; None for data that is made to fit.
        Raises `PlanError` naming what is wrong with a file.
    """

    engine_modes: Mapping[str, Sequence[str]]
    inspect_data: Callable[[str, str | None], DataFacts | None]


@dataclass(frozen=True)
class Setup:
    """One point of the grid: everything a run needs but its seed.

    Fields are those of `Experiment`, and two that ordinary experiments leave alone.

    Attributes
    ----------
    label
        Tells equal setups apart; empty where the precision mode does.
    slowdown
        Share of its own time by which every inference call is made longer, in the same frame at every share, 0
        included; None for the bare call.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    data: str
    label_column: str | None
    n_samples: int
    engine: str
    precision_mode: str
    batch_size: int
    epochs: int
    optimizer: str
    learning_rate: float
    momentum: float
    test_fraction: float
    threads: int
    latency_rounds: int
    round_duration_s: float
    watts_per_core: float
    on_noise: OnNoise
    noise_share: float
    remeasure_limit: int
    remeasure_nice: int
    label: str = ""
    slowdown: float | None = None

    @property
    def name(self) -> str:
        """What the setup is called in its experiment: its precision mode, and its label where it has one."""
        return "-".join(filter(None, [self.precision_mode, self.label]))

    @property
    def layers(self) -> str:
        """The layer sizes as written in tables: ``"64x128x10"``."""
        return "x".join(map(str, self.layer_sizes))


@functools.cache  # the answer is read from a long file, and asked for by every run
def default_threads() -> int:
    """Return the number of physical cores this process may use: a second thread on a core adds noise, not speed."""
    return min(psutil.cpu_count(logical=False) or available_cpus(), available_cpus())


def _plain_number(value: object) -> object:
    # NumPy integers are integers to their users; True and False are not numbers to anybody.
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number; give a number")  # noqa: TRY004 - pydantic collects ValueError
    try:
        return operator.index(value)  # type: ignore[arg-type]  # what is no integer raises
    except TypeError:  # a text, a float, an array, ...: judged by the field's type
        return value


def _share(value: object) -> object:
    """Read ``"2%"`` as 0.02; a number is a share already."""
    number = _plain_number(value)
    try:
        return read_share(number)
    except (TypeError, OverflowError):  # what is no number is judged by the field's type
        return number


def read_share(value: object) -> object:
    """Return a share as a number, of ``"2%"`` or ``0.02``; what is neither is returned as it is.

    Raises
    ------
    ValueError
        Of a bare number that was meant as per cent, as ``2``.
    """
    text = str(value).strip()
    try:
        if text.endswith("%"):
            return float(text.removesuffix("%")) / 100
        share = float(text)
    except ValueError:
        return value
    if 1 <= share < math.inf:
        raise ValueError(f"{value!r} would be {100 * share:g} %; write {share:g}% or {100 * share:g}%, as you mean it")
    return share


def _ordered(value: object) -> object:
    if isinstance(value, set | frozenset):
        raise ValueError(f"{value!r} has no order; give a list")  # noqa: TRY004 - pydantic collects ValueError
    return value


def _words(value: object) -> object:
    """Split ``"relu,softmax"``, as flags give it, into its words."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else _ordered(value)


def _sizes(value: object) -> object:
    """Split ``"64-128-10"`` or ``"64x128x10"`` or ``"64,128,10"`` into its numbers."""
    if isinstance(value, str):
        return re.split(r"[x,]|(?<=\d)-", value)  # a minus that follows no digit is a sign
    if isinstance(_ordered(value), Mapping | bytes):
        return value
    try:
        return [_plain_number(size) for size in value]  # type: ignore[attr-defined]  # what has no items raises
    except TypeError:
        return value


def _location(value: object) -> object:
    """Take a path for the text that it is; arrays in memory have to be saved first."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    in_memory = hasattr(value, "__array__") or isinstance(value, list | tuple | Mapping)
    if in_memory and not isinstance(value, str):
        raise ValueError(
            f"data of type {type(value).__name__} are neither a name nor a path; save them, "
            "numpy.savez('data.npz', X=X, y=y), and give 'data.npz'"
        )
    return value


Count = Annotated[int, BeforeValidator(_plain_number), Field(ge=1, lt=2**31)]
Real = Annotated[float, BeforeValidator(_plain_number), Field(allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_share), Field(allow_inf_nan=False)]


class Experiment(BaseModel):
    """All setups x repeats, with their base seed. The one source of truth for Python, TOML and flags.

    Build it with `plan_experiment`, which reports every mistake at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # The order matters: a field's check may look at the fields above it. What they mean: plan/options.py.
    layer_sizes: Annotated[tuple[int, ...], BeforeValidator(_sizes)] = OPTIONS["layer_sizes"].default
    activations: Annotated[tuple[str, ...], BeforeValidator(_words)] = OPTIONS["activations"].default
    label_column: str | None = OPTIONS["label_column"].default
    data: Annotated[str, BeforeValidator(_location)] = OPTIONS["data"].default
    n_samples: Count | None = OPTIONS["n_samples"].default
    engine: str = OPTIONS["engine"].default
    precision_modes: Annotated[tuple[str, ...], BeforeValidator(_words)] = OPTIONS["precision_modes"].default
    batch_size: Count = OPTIONS["batch_size"].default
    epochs: Count = OPTIONS["epochs"].default
    repeats: Count = OPTIONS["repeats"].default
    # NumPy's and torch's generators take 32 bits without a second thought; seed + repeat must fit as well.
    seed: Annotated[int, BeforeValidator(_plain_number), Field(ge=0, lt=2**31)] = OPTIONS["seed"].default
    optimizer: Literal["sgd", "adam"] = OPTIONS["optimizer"].default
    learning_rate: Annotated[Real | None, Field(gt=0)] = OPTIONS["learning_rate"].default
    momentum: Annotated[Real, Field(ge=0, lt=1)] = OPTIONS["momentum"].default
    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = OPTIONS["test_fraction"].default
    threads: Count | None = OPTIONS["threads"].default
    latency_rounds: Count = OPTIONS["latency_rounds"].default
    round_duration_s: Annotated[Real, Field(gt=0, le=60)] = OPTIONS["round_duration_s"].default
    watts_per_core: Annotated[Real, Field(gt=0)] = OPTIONS["watts_per_core"].default
    idle_baseline_s: Annotated[Real, Field(ge=0, le=3600)] = OPTIONS["idle_baseline_s"].default
    on_noise: OnNoise = OPTIONS["on_noise"].default
    noise_share: Annotated[Real, Field(gt=0, le=1)] = OPTIONS["noise_share"].default
    remeasure_limit: Annotated[int, BeforeValidator(_plain_number), Field(ge=0, le=100)] = OPTIONS[
        "remeasure_limit"
    ].default
    remeasure_nice: Annotated[int, BeforeValidator(_plain_number), Field(ge=-20, le=0)] = OPTIONS[
        "remeasure_nice"
    ].default
    baseline: str | None = OPTIONS["baseline"].default
    margin: Annotated[Share | None, Field(gt=0, le=10)] = OPTIONS["margin"].default
    accuracy_margin: Annotated[Real | None, Field(gt=0, le=100)] = OPTIONS["accuracy_margin"].default
    objectives: Annotated[tuple[str, ...], BeforeValidator(_words)] = OPTIONS["objectives"].default
    until: Annotated[Share | None, Field(gt=0, lt=1)] = OPTIONS["until"].default
    until_metric: Literal["latency", "train_time", "memory", "energy"] = OPTIONS["until_metric"].default
    max_repeats: Count = OPTIONS["max_repeats"].default
    max_time_s: Annotated[Real | None, Field(gt=0)] = OPTIONS["max_time_s"].default
    step_timeout_s: Annotated[Real, Field(gt=0)] = OPTIONS["step_timeout_s"].default

    @field_validator("layer_sizes")
    @classmethod
    def _check_layer_sizes(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        told = "-".join(map(str, sizes))
        if len(sizes) < 2:
            raise ValueError(f"{told or 'nothing'} has {len(sizes)} entries; at least 2 are needed: inputs and outputs")
        if min(sizes) < 1:
            raise ValueError(f"{told} has the entry {min(sizes)}; every layer needs at least 1 unit")
        if max(sizes) > LARGEST_LAYER:
            raise ValueError(f"{told} has the entry {max(sizes)}; at most {LARGEST_LAYER} units fit a layer")
        return sizes

    @field_validator("activations")
    @classmethod
    def _check_activations(cls, activations: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        problems = [
            f"{name!r} is not an activation{nearest(name, ACTIVATIONS)}; allowed: {', '.join(ACTIVATIONS)}"
            for name in activations
            if name not in ACTIVATIONS
        ]
        sizes = info.data.get("layer_sizes")
        if sizes and len(activations) != len(sizes) - 1:
            problems.append(
                f"{len(activations)} given ({', '.join(activations)}), {len(sizes) - 1} needed: one for each "
                f"transition of {'-'.join(map(str, sizes))}"
            )
        elif sizes and sizes[-1] == 1 and activations[-1] != "sigmoid":
            problems.append(
                f"the last is {activations[-1]!r} with a single output, which cannot tell classes apart; "
                "use 'sigmoid', or at least 2 outputs in layer_sizes"
            )
        raise_if(problems)
        return activations

    @field_validator("data")
    @classmethod
    def _check_data(cls, data: str, info: ValidationInfo) -> str:
        if data not in BUILT_IN_DATA and Path(data).suffix not in DATA_SUFFIXES:
            raise ValueError(
                f"{data!r} is neither a data set ({', '.join(BUILT_IN_DATA)}) nor a .npz or .csv file"
                f"{nearest(data, BUILT_IN_DATA)}"
            )
        column = info.data.get("label_column")
        if column is not None and Path(data).suffix != ".csv":
            raise ValueError(f"{data!r} has no columns, but label_column is {column!r}; leave label_column out")
        facts = _facts(data, info)
        sizes = info.data.get("layer_sizes")
        if facts is None or sizes is None:
            return data
        problems = []
        if facts.n_features != sizes[0]:
            problems.append(
                f"{data!r} has {facts.n_features} features, but layer_sizes begins with {sizes[0]}; "
                f"begin layer_sizes with {facts.n_features}"
            )
        if facts.n_classes != _classes(sizes):
            problems.append(
                f"{data!r} has {facts.n_classes} classes, but layer_sizes ends with {sizes[-1]}, for "
                f"{_classes(sizes)} classes; end layer_sizes with {facts.n_classes}"
            )
        raise_if(problems)
        return data

    @field_validator("n_samples")
    @classmethod
    def _check_n_samples(cls, n_samples: int | None, info: ValidationInfo) -> int | None:
        data = info.data.get("data")
        facts = _facts(data, info) if data else None
        sizes = info.data.get("layer_sizes")
        if n_samples is None:
            n_samples = facts.n_samples if facts else SYNTHETIC_SAMPLES
        classes = facts.n_classes if facts else _classes(sizes) if sizes else 0
        if n_samples < classes:
            raise ValueError(f"{n_samples} is smaller than the {classes} classes; give at least {classes}")
        if facts and n_samples > facts.n_samples:
            raise ValueError(
                f"{n_samples} exceeds the {facts.n_samples} samples of {data!r}; give at most {facts.n_samples}, or "
                "leave it out to use all"
            )
        return n_samples

    @field_validator("engine")
    @classmethod
    def _check_engine(cls, engine: str, info: ValidationInfo) -> str:
        known = _surroundings(info).engine_modes
        if engine not in known:
            raise ValueError(f"{engine!r} is not an engine{nearest(engine, known)}; allowed: {', '.join(known)}")
        return engine

    @field_validator("precision_modes")
    @classmethod
    def _check_precision_modes(cls, modes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        problems = [] if modes else [f"none given; name at least one of {', '.join(MODES)}"]
        engine = info.data.get("engine")
        for mode in dict.fromkeys(modes):
            if mode not in MODES:
                problems.append(f"{mode!r} is not a precision mode{nearest(mode, MODES)}; allowed: {', '.join(MODES)}")
            elif engine and mode not in _surroundings(info).engine_modes[engine]:
                able = [name for name, able_modes in _surroundings(info).engine_modes.items() if mode in able_modes]
                problems.append(
                    f"{mode!r} cannot run on the engine {engine!r}; engines that can: {', '.join(able) or 'none'}"
                )
            if modes.count(mode) > 1:
                problems.append(f"{mode!r} is given {modes.count(mode)} times; name each mode once")
        raise_if(problems)
        return modes

    @field_validator("baseline")
    @classmethod
    def _check_baseline(cls, baseline: str | None, info: ValidationInfo) -> str | None:
        modes = info.data.get("precision_modes", ())
        if baseline is not None and modes and baseline not in modes:
            raise ValueError(
                f"{baseline!r} is not among the precision modes{nearest(baseline, modes)}; give one of "
                f"{', '.join(modes)}"
            )
        return baseline

    @field_validator("objectives")
    @classmethod
    def _check_objectives(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        problems = [
            f"{name!r} is not an objective{nearest(name, OBJECTIVES)}; allowed: {', '.join(OBJECTIVES)}"
            for name in dict.fromkeys(objectives)
            if name not in OBJECTIVES
        ]
        if len(objectives) < 2 or len(set(objectives)) < len(objectives):
            problems.append(f"{','.join(objectives) or 'nothing'} given; name two or more, each once")
        raise_if(problems)
        return objectives

    @field_validator("max_repeats")
    @classmethod
    def _check_max_repeats(cls, most: int, info: ValidationInfo) -> int:
        fewest = max(FEWEST_SEQUENTIAL, info.data.get("repeats", 1))
        if info.data.get("until") is not None and most < fewest:
            raise ValueError(f"{most} is too few with until, which needs {fewest} repeats; give at least {fewest}")
        return most

    @field_validator("threads")
    @classmethod
    def _check_threads(cls, threads: int | None) -> int:
        limit = available_cpus()
        if threads is not None and threads > limit:
            raise ValueError(f"{threads} exceeds the {limit} CPUs that this process may use; give at most {limit}")
        return threads or default_threads()

    @field_validator("learning_rate")
    @classmethod
    def _fill_learning_rate(cls, rate: float | None, info: ValidationInfo) -> float:
        return rate if rate is not None else LEARNING_RATES[info.data.get("optimizer", "sgd")]

    @property
    def most_repeats(self) -> int:
        """Repeats at most: those given, or `max_repeats` where they go on until the intervals are narrow enough."""
        return self.repeats if self.until is None else self.max_repeats

    @property
    def fewest_repeats(self) -> int:
        """Repeats before the intervals are looked at: those given, at least ten."""
        return self.repeats if self.until is None else max(self.repeats, FEWEST_SEQUENTIAL)

    def setups(self) -> list[Setup]:
        """Return one setup per precision mode, in the order given."""
        shared = {name: getattr(self, name) for name in type(self).model_fields if name in Setup.__dataclass_fields__}
        return [Setup(precision_mode=mode, **shared) for mode in self.precision_modes]


def plan_experiment(fields: Mapping[str, object], surroundings: Surroundings) -> Experiment:
    """Check `fields` as a whole and return the experiment they describe.

    Parameters
    ----------
    fields
        Values by the names of `Experiment`'s fields; those left out take their defaults.
    surroundings
        What engines and data allow.

    Raises
    ------
    PlanError
        With one line for every mistake.
    """
    problems = [
        f"{name}: {shown(fields[name])} means nothing without until; give until, such as 1%, or leave {name} out"
        for name in ONLY_WITH_UNTIL
        if fields.get("until") is None and fields.get(name) is not None
    ]
    try:
        experiment = Experiment.model_validate(dict(fields), context=surroundings)
    except ValidationError as error:
        raise PlanError([*problems_of(error, Experiment.model_fields), *problems]) from None
    if problems:
        raise PlanError(problems)
    return experiment


def given_fields(stored: Mapping[str, object]) -> dict[str, object]:
    """Return a stored experiment's fields as somebody may have given them: without those that `until` would need."""
    unused = ONLY_WITH_UNTIL if stored.get("until") is None else ()
    return {name: value for name, value in stored.items() if name not in unused}


def _classes(layer_sizes: Sequence[int]) -> int:
    """Return how many classes the network tells apart: a single output tells two."""
    return max(2, layer_sizes[-1])


def _facts(data: str, info: ValidationInfo) -> DataFacts | None:
    return _surroundings(info).inspect_data(data, info.data.get("label_column"))


def _surroundings(info: ValidationInfo) -> Surroundings:
    if not isinstance(info.context, Surroundings):
        raise TypeError("an experiment is checked against its surroundings; build it with plan_experiment")
    return info.context


def stored_experiment(fields: Mapping[str, object]) -> Experiment:
    """Return the experiment that a result folder's manifest tells of, as it was then: nothing is checked again."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Experiment.model_construct(**{name: known[name] for name in Experiment.model_fields if name in known})
