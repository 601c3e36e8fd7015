"""One experiment, parsed and checked as a whole before anything runs; every mistake is reported at once."""

import functools
import math
import operator
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
    HIDDEN,
    LEARNING_RATES,
    OBJECTIVES,
    OPTIONS,
    SEPARATORS,
    SYNTHETIC_ENDS,
    SYNTHETIC_SAMPLES,
)
from significand.plan.precision import MODES
from significand.plan.problems import PlanError, nearest, problems_of, raise_if, shown

LARGEST_LAYER = 2**24

TABLE_SUFFIXES = (".csv", ".tsv")
DATA_SUFFIXES = (".npz", *TABLE_SUFFIXES)

SEPARATOR_WORDS = {mark: word for word, mark in SEPARATORS.items()} | {r"\t": "tab", r"\s+": "space"}
"""What else people write for a separator."""

ONLY_WITH_UNTIL = ("until_metric", "max_repeats", "max_time_s")
"""Fields that say how an experiment goes on until its intervals are narrow enough; alone they would be ignored."""


@dataclass(frozen=True)
class DataFacts:
    """What a plan needs to know of a data set: number of samples, features per sample, distinct labels."""

    n_samples: int
    n_features: int
    n_classes: int


@dataclass(frozen=True)
class TableFormat:
    """How a table in a file is to be read; None where it is found out.

    Attributes
    ----------
    label_column
        Column that holds the label; None for the last.
    separator
        A key of `significand.plan.options.SEPARATORS`.
    header
        ``"yes"`` or ``"no"``: whether the first line names the columns.
    missing
        Words that mean a missing value.
    """

    label_column: str | None = None
    separator: str | None = None
    header: str | None = None
    missing: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Surroundings:
    """What the layers above know and a plan must fit.

    Attributes
    ----------
    engine_modes
        For each engine the modes that it runs.
    inspect_data
        Called with the name or path of the data and how a table is to be read; None for data that is made to fit.
        Raises `PlanError` naming what is wrong with a file.
    """

    engine_modes: Mapping[str, Sequence[str]]
    inspect_data: Callable[[str, TableFormat], DataFacts | None]


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
    separator: str | None
    header: str | None
    missing: tuple[str, ...] | None
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


def _hidden(value: object) -> object:
    """Read ``"128,64"`` as sizes, a single number as one layer, and ``"none"`` and ``""`` as no layer at all."""
    if isinstance(value, str) and value.strip().lower() in {"", "none"}:
        return ()
    return [value] if isinstance(value, int) and not isinstance(value, bool) else _sizes(value)


def _separator(value: object) -> object:
    """Return the word of a separator, however it was written."""
    return SEPARATOR_WORDS.get(value, value) if isinstance(value, str) else value


def _header(value: object) -> object:
    """Read TOML's true and false as yes and no, and auto as what it stands for: nothing given."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value == "auto" else value


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


Count = Annotated[int, BeforeValidator(_plain_number), Field(ge=1, lt=2**31)]
Real = Annotated[float, BeforeValidator(_plain_number), Field(allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_share), Field(allow_inf_nan=False)]


class Experiment(BaseModel):
    """All setups x repeats, with their base seed. The one source of truth for Python, TOML and flags.

    Build it with `plan_experiment`, which reports every mistake at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # The order matters: a field's check may look at the fields above it. What they mean: plan/options.py.
    label_column: str | None = OPTIONS["label_column"].default
    separator: Annotated[str | None, BeforeValidator(_separator)] = OPTIONS["separator"].default
    header: Annotated[Literal["yes", "no"] | None, BeforeValidator(_header)] = OPTIONS["header"].default
    missing: Annotated[tuple[str, ...] | None, BeforeValidator(_words)] = OPTIONS["missing"].default
    data: str = OPTIONS["data"].default
    # Of hidden nothing is left: it is what layer_sizes comes from.
    hidden: Annotated[tuple[int, ...] | None, BeforeValidator(_hidden)] = OPTIONS["hidden"].default
    layer_sizes: Annotated[tuple[int, ...], BeforeValidator(_sizes)] = OPTIONS["layer_sizes"].default
    activations: Annotated[tuple[str, ...], BeforeValidator(_words)] = OPTIONS["activations"].default
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

    @field_validator("separator")
    @classmethod
    def _check_separator(cls, separator: str | None) -> str | None:
        if separator is not None and separator not in SEPARATORS:
            raise ValueError(
                f"{shown(separator)} is not a separator{nearest(separator, SEPARATORS)}; allowed: "
                f"{', '.join(SEPARATORS)}"
            )
        return separator

    @field_validator("header")
    @classmethod
    def _check_header(cls, header: str | None, info: ValidationInfo) -> str | None:
        column = info.data.get("label_column")
        if header == "no" and column is not None:
            raise ValueError(f"'no' names no columns, but label_column is {column!r}; leave one of them out")
        return header

    @field_validator("data")
    @classmethod
    def _check_data(cls, data: str, info: ValidationInfo) -> str:
        suffix = Path(data).suffix.lower()
        if data not in BUILT_IN_DATA and suffix not in DATA_SUFFIXES:
            raise ValueError(
                f"{data!r} is neither a data set ({', '.join(BUILT_IN_DATA)}) nor a .npz, .csv or .tsv file"
                f"{nearest(data, BUILT_IN_DATA)}"
            )
        form = _table_format(info)
        given = [] if form is None else [(name, value) for name, value in vars(form).items() if value is not None]
        if given and (data in BUILT_IN_DATA or suffix not in TABLE_SUFFIXES):
            raise_if([f"{data!r} is no table, but {name} is {value!r}; leave {name} out" for name, value in given])
        if form is not None:
            _surroundings(info).inspect_data(data, form)
        return data

    @field_validator("hidden")
    @classmethod
    def _check_hidden(cls, sizes: tuple[int, ...] | None) -> tuple[int, ...] | None:
        _check_units(sizes or ())
        return sizes

    @field_validator("layer_sizes", mode="before")
    @classmethod
    def _fill_layer_sizes(cls, sizes: object, info: ValidationInfo) -> object:
        hidden = info.data.get("hidden")
        if sizes is not None:
            if hidden is not None:
                raise ValueError(
                    f"{shown(sizes)} is given beside hidden, {'-'.join(map(str, hidden)) or 'none'}; give hidden, and "
                    "inputs and outputs follow from the data, or layer_sizes alone"
                )
            return sizes
        facts = _facts(info)
        inputs, outputs = (facts.n_features, facts.n_classes) if facts else SYNTHETIC_ENDS
        return (inputs, *(HIDDEN if hidden is None else hidden), outputs)

    @field_validator("layer_sizes")
    @classmethod
    def _check_layer_sizes(cls, sizes: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        told = "-".join(map(str, sizes))
        if len(sizes) < 2:
            raise ValueError(f"{told or 'nothing'} has {len(sizes)} entries; at least 2 are needed: inputs and outputs")
        _check_units(sizes)
        facts, data = _facts(info), info.data.get("data")
        problems = []
        if facts and facts.n_features != sizes[0]:
            problems.append(
                f"{told} begins with {sizes[0]}, but {data!r} has {facts.n_features} features; begin it with "
                f"{facts.n_features}, or give hidden instead"
            )
        if facts and facts.n_classes != _classes(sizes):
            problems.append(
                f"{told} ends with {sizes[-1]}, for {_classes(sizes)} classes, but {data!r} has {facts.n_classes} "
                f"classes; end it with {facts.n_classes}, or give hidden instead"
            )
        raise_if(problems)
        return sizes

    @field_validator("activations", mode="before")
    @classmethod
    def _fill_activations(cls, activations: object, info: ValidationInfo) -> object:
        sizes = info.data.get("layer_sizes", SYNTHETIC_ENDS)
        if activations is not None:
            return activations
        return ("relu",) * (len(sizes) - 2) + ("sigmoid" if sizes[-1] == 1 else "softmax",)

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

    @field_validator("n_samples")
    @classmethod
    def _check_n_samples(cls, n_samples: int | None, info: ValidationInfo) -> int | None:
        data, facts, sizes = info.data.get("data"), _facts(info), info.data.get("layer_sizes")
        if n_samples is None:
            n_samples = facts.n_samples if facts else SYNTHETIC_SAMPLES
        # Where nothing is known of the data, the ends of the network may be anybody's.
        classes = facts.n_classes if facts else _classes(sizes) if sizes and data else 0
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
    def table_format(self) -> TableFormat:
        """How a table is to be read."""
        return TableFormat(self.label_column, self.separator, self.header, self.missing)

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
    return experiment.model_copy(update={"hidden": None})


def given_fields(stored: Mapping[str, object]) -> dict[str, object]:
    """Return a stored experiment's fields as somebody may have given them: without those that `until` would need."""
    unused = ONLY_WITH_UNTIL if stored.get("until") is None else ()
    return {name: value for name, value in stored.items() if name not in unused}


def _classes(layer_sizes: Sequence[int]) -> int:
    """Return how many classes the network tells apart: a single output tells two."""
    return max(2, layer_sizes[-1])


def _check_units(sizes: Sequence[int]) -> None:
    told = "-".join(map(str, sizes))
    if min(sizes, default=1) < 1:
        raise ValueError(f"{told} has the entry {min(sizes)}; every layer needs at least 1 unit")
    if max(sizes, default=1) > LARGEST_LAYER:
        raise ValueError(f"{told} has the entry {max(sizes)}; at most {LARGEST_LAYER} units fit a layer")


def _table_format(info: ValidationInfo) -> TableFormat | None:
    """Return how a table is to be read; None where that was a mistake."""
    names = TableFormat.__dataclass_fields__
    return TableFormat(**{name: info.data[name] for name in names}) if names.keys() <= info.data.keys() else None


def _facts(info: ValidationInfo) -> DataFacts | None:
    """Return what is known of the data; None where they are made to fit, or were a mistake."""
    data, form = info.data.get("data"), _table_format(info)
    return _surroundings(info).inspect_data(data, form) if data is not None and form is not None else None


def _surroundings(info: ValidationInfo) -> Surroundings:
    if not isinstance(info.context, Surroundings):
        raise TypeError("an experiment is checked against its surroundings; build it with plan_experiment")
    return info.context


def resumed_fields(stored: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a stored experiment with those that are given again in place of its own."""
    before = given_fields(stored)
    if given.get("hidden") is not None:
        before.pop("layer_sizes", None)  # what hidden says, and the data
    return before | dict(given)


def stored_experiment(fields: Mapping[str, object]) -> Experiment:
    """Return the experiment that a result folder's manifest tells of, as it was then: nothing is checked again."""
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Experiment.model_construct(**{name: known[name] for name in Experiment.model_fields if name in known})
