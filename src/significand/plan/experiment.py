"""One experiment, parsed and checked as a whole before anything runs; every mistake is reported at once."""

import difflib
import functools
import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from significand.plan.options import ACTIVATIONS, BUILT_IN_DATA, LEARNING_RATES, OPTIONS, SYNTHETIC_SAMPLES
from significand.plan.precision import MODES

Step = Literal["prepare", "measure"]
"""What a run asks for between its steps: to compute while nobody is timed, or to be timed while nobody computes."""

SHORT_NAMES = {
    "fp64": "float64",
    "double": "float64",
    "fp32": "float32",
    "single": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "i8": "int8",
    "swish": "silu",
    "none": "linear",
    "identity": "linear",
    "ort": "onnxruntime",
    "pytorch": "torch",
    "modes": "precision_modes",
    "lr": "learning_rate",
}
"""What else people call the words of a plan, for hints."""

LARGEST_LAYER = 2**24
DATA_SUFFIXES = (".npz", ".csv")


class PlanError(ValueError):
    """An experiment that cannot run. ``problems`` holds one line a mistake: field, value, what is allowed, remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


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
    """One point of the grid: everything a run needs but its seed. Fields are those of `Experiment`."""

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

    @property
    def layers(self) -> str:
        """The layer sizes as written in tables: ``"64x128x10"``."""
        return "x".join(map(str, self.layer_sizes))


@functools.cache  # the answer is read from a long file, and asked for by every run
def default_threads() -> int:
    """Return the number of physical cores this process may use: a second thread on a core adds noise, not speed."""
    return min(psutil.cpu_count(logical=False) or available_cpus(), available_cpus())


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint naming the allowed word closest to `name`, or nothing where none is close."""
    word = SHORT_NAMES.get(str(name).lower(), str(name).lower())
    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _plain_number(value: object) -> object:
    # NumPy integers are integers to their users; True and False are not numbers to anybody.
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number; give a number")  # noqa: TRY004 - pydantic collects ValueError
    try:
        return operator.index(value)  # type: ignore[arg-type]  # what is no integer raises
    except TypeError:  # a text, a float, an array, ...: judged by the field's type
        return value


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


Count = Annotated[int, BeforeValidator(_plain_number), Field(ge=1, lt=2**31)]
Real = Annotated[float, BeforeValidator(_plain_number), Field(allow_inf_nan=False)]


class Experiment(BaseModel):
    """All setups x repeats, with their base seed. The one source of truth for Python, TOML and flags.

    Build it with `plan_experiment`, which reports every mistake at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # The order matters: a field's check may look at the fields above it. What they mean: plan/options.py.
    layer_sizes: Annotated[tuple[int, ...], BeforeValidator(_sizes)] = OPTIONS["layer_sizes"].default
    activations: Annotated[tuple[str, ...], BeforeValidator(_words)] = OPTIONS["activations"].default
    label_column: str | None = OPTIONS["label_column"].default
    data: str = OPTIONS["data"].default
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
    step_timeout_s: Annotated[Real, Field(gt=0)] = OPTIONS["step_timeout_s"].default

    @field_validator("layer_sizes")
    @classmethod
    def _check_layer_sizes(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        shown = "-".join(map(str, sizes))
        if len(sizes) < 2:
            raise ValueError(
                f"{shown or 'nothing'} has {len(sizes)} entries; at least 2 are needed: inputs and outputs"
            )
        if min(sizes) < 1:
            raise ValueError(f"{shown} has the entry {min(sizes)}; every layer needs at least 1 unit")
        if max(sizes) > LARGEST_LAYER:
            raise ValueError(f"{shown} has the entry {max(sizes)}; at most {LARGEST_LAYER} units fit a layer")
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
        _raise_if(problems)
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
        _raise_if(problems)
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
        _raise_if(problems)
        return modes

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
    try:
        return Experiment.model_validate(dict(fields), context=surroundings)
    except ValidationError as error:
        raise PlanError(_problems(error)) from None


def read_config(path: Path) -> dict[str, Any]:
    """Read the fields of an experiment from a TOML file.

    Paths in it are taken relative to the folder of the file.

    Raises
    ------
    PlanError
        When the file cannot be read or is not TOML, or output_dir is no text. Unknown keys are left to
        `plan_experiment`.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(
            [f"config: {str(path)!r} cannot be read ({error.strerror}); give the path of a TOML file"]
        ) from None
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        raise PlanError([f"config: {str(path)!r} is not valid TOML ({error}); correct it there"]) from None
    if not isinstance(fields.get("output_dir", ""), str):
        raise PlanError([f"output_dir: {fields['output_dir']!r} is not a text; give the path of a folder"])
    for name in ("data", "output_dir"):
        value = fields.get(name)
        if isinstance(value, str) and value not in BUILT_IN_DATA:
            fields[name] = str(path.parent / value)
    return fields


def _classes(layer_sizes: Sequence[int]) -> int:
    """Return how many classes the network tells apart: a single output tells two."""
    return max(2, layer_sizes[-1])


def _facts(data: str, info: ValidationInfo) -> DataFacts | None:
    return _surroundings(info).inspect_data(data, info.data.get("label_column"))


def _surroundings(info: ValidationInfo) -> Surroundings:
    if not isinstance(info.context, Surroundings):
        raise TypeError("an experiment is checked against its surroundings; build it with plan_experiment")
    return info.context


class _ProblemsError(ValueError):
    """Several mistakes of one field."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _raise_if(problems: Sequence[str]) -> None:
    if problems:
        raise _ProblemsError(problems)


_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def _problems(error: ValidationError) -> list[str]:
    """Turn pydantic's errors into lines that name the field, the value, what is allowed and the remedy."""
    lines = []
    for item in error.errors():
        field = str(item["loc"][0])
        kind, given, context = item["type"], item["input"], item.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, PlanError | _ProblemsError):
            texts = list(cause.problems)
        elif kind == "value_error":
            texts = [str(cause)]
        elif kind == "extra_forbidden":
            known = Experiment.model_fields
            texts = [f"is not a field of an experiment{nearest(field, known)}; known: {', '.join(known)}"]
        elif kind in _LIMITS:
            key, words = _LIMITS[kind]
            texts = [f"{given!r} is out of range; give {words} {context[key]}"]
        elif kind in {"tuple_type", "string_type"}:
            wanted = "list" if kind == "tuple_type" else "text"
            texts = [f"{given!r} is not a {wanted}; give a {wanted}"]
        elif kind == "literal_error":
            texts = [f"{given!r} is not known; allowed: {context['expected']}"]
        elif kind.startswith("int"):
            texts = [f"{given!r} is not a whole number; give a whole number"]
        elif kind.startswith(("float", "finite")):
            texts = [f"{given!r} is not a finite number; give a number"]
        else:
            texts = [f"{given!r} does not fit: {item['msg'].lower()}"]
        lines += [f"{field}: {text}" for text in texts]
    return lines
