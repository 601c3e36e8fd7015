"""One experiment, read and checked as a whole before anything runs; every mistake is reported at once."""

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from significand.meters.machine import available_cpus
from significand.meters.steps import NoisePolicy
from significand.plan.indifference import zone_of
from significand.plan.kinds import Kind, Several, Text
from significand.plan.metrics import OF_TRAINING
from significand.plan.options import (
    AXES,
    BUILT_IN_DATA,
    BUILT_IN_NETWORKS,
    DIGITS,
    FEWEST_SEQUENTIAL,
    HIDDEN,
    LEARNING_RATES,
    MLP,
    OPTIONS,
    SYNTHETIC_ENDS,
    SYNTHETIC_SAMPLES,
    Fields,
)
from significand.plan.precision import BASELINE, MODES, PrecisionMode
from significand.plan.problems import PlanError, SeveralProblemsError, listed, nearest, shown, unknown_fields
from significand.plan.setup import HERE, OTHER, Network, Perceptron, Protocol, Setup, Workload, is_onnx

LARGEST_LAYER = 2**24

TABLE_SUFFIXES = (".csv", ".tsv")
DATA_SUFFIXES = (".npz", *TABLE_SUFFIXES)

ONLY_WITH_UNTIL = ("until_metric", "max_repeats", "max_time_s")
"""Fields that say how an experiment goes on until its intervals are narrow enough; alone they would be ignored."""

GRID = "axes"
"""A table of a TOML file, or a dict in Python, of axes by their names; the fields themselves take lists, too."""

ENVIRONMENT = "variant"
"""The axis of setups that are measured in two environments."""

MOST_SETUPS = 48
"""Setups of an experiment that is begun without being asked twice."""

MOST_PLANNED = 10_000
"""Setups that are planned, or read, at all: the product of axes of thousands of values would fill the memory."""

REFUSED = "refused"
"""Beside the fields of a stored experiment, the setups that no engine ran: another machine's engines may run them."""


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
    engines_of_modules
        Those that run no ONNX file.
    refused
        Where an experiment is resumed, the setups that were left out when it began, with the reasons: they stay out,
        and an engine that cannot be had any more is a mistake. None where it begins.
    """

    engine_modes: Mapping[str, Sequence[str]]
    inspect_data: Callable[[str, TableFormat], DataFacts | None]
    engines_of_modules: Container[str] = frozenset()
    refused: Mapping[str, str] | None = None


@functools.cache  # the answer is read from a long file, and asked for by every run
def default_threads() -> int:
    """Return the number of physical cores this process may use: a second thread on a core adds noise, not speed."""
    return min(psutil.cpu_count(logical=False) or available_cpus(), available_cpus())


@dataclass(frozen=True, kw_only=True)
class Experiment(Fields):
    """What is measured, how, and what is asked: all setups x repeats. One for Python, TOML and flags.

    Build it with `plan_experiment`, which reports every mistake at once.

    Attributes
    ----------
    refused
        Setups of the product of the axes that no engine runs, with the reason.
    """

    refused: tuple[tuple[str, str], ...] = ()

    @property
    def workload(self) -> Workload:
        """What is measured."""
        kind = Perceptron if self.model == MLP else Network
        return kind(**{one.name: getattr(self, one.name) for one in dataclasses.fields(kind)})

    @property
    def protocol(self) -> Protocol:
        """How every run is measured."""
        noise = NoisePolicy(self.on_noise, self.noise_share, self.remeasure_limit, self.remeasure_nice)  # type: ignore[arg-type]  # checked
        return Protocol(self.latency_rounds, self.round_duration_s, noise, self.step_timeout_s)

    @property
    def table_format(self) -> TableFormat:
        """How a table is to be read."""
        return TableFormat(self.label_column, self.separator, self.header, self.missing)

    @property
    def network_name(self) -> str:
        """What the network is called: the perceptron's layers, ``"64-128-10"``, or where another one is."""
        return _dashed(self.layer_sizes) if self.model == MLP else self.model

    @property
    def most_repeats(self) -> int:
        """Repeats at most: those given, or `max_repeats` where they go on until the intervals are narrow enough."""
        return self.repeats if self.until is None else self.max_repeats

    @property
    def fewest_repeats(self) -> int:
        """Repeats before the intervals are looked at: those given, at least ten."""
        return self.repeats if self.until is None else max(self.repeats, FEWEST_SEQUENTIAL)

    @property
    def varying(self) -> frozenset[str]:
        """The axes on which there are several values."""
        environments = {ENVIRONMENT} if self.against else ()
        return frozenset(axis for axis, name in AXES.items() if len(getattr(self, name)) > 1).union(environments)

    def setups(self) -> list[Setup]:
        """Return the product of the axes, less what an engine refuses: precisions within threads within batch sizes.

        Where they are held against another environment, each is there twice, side by side.
        """
        order = ("options", "engine", "batch_size", "threads", "precision", "calibration_samples")
        axes = {axis: getattr(self, AXES[axis]) for axis in order}
        refused = {name for name, _ in self.refused}
        setups = [setup for setup in _product(self.workload, axes) if setup.name not in refused]
        if not self.against:
            return setups
        twice = [dataclasses.replace(setup, variant=variant) for setup in setups for variant in (HERE, OTHER)]
        return [setup.named(self.varying) for setup in twice]

    def engines(self) -> list[str]:
        """Return the engines of its setups: those that are given, but for such as cannot be had."""
        return list(dict.fromkeys(setup.engine for setup in self.setups()))

    def estimated_s(self) -> float:
        """Return how many seconds all runs take at least, roughly, by what small networks were seen to need.

        Six operations a weight and sample in training, at 5e9 a second, 0.2 ms a step, 0.5 s a run for what is not
        timed, and the latency rounds with their warm-up.
        """
        weights = sum(a * b for a, b in itertools.pairwise(self.layer_sizes or (0,)))  # of other networks not known
        trained = (self.n_samples or 0) * (1 - self.test_fraction)
        rounds_s = self.latency_rounds * (self.round_duration_s + 0.005)
        setups = self.setups()
        epochs_s = (6 * weights * trained / 5e9 + 2e-4 * trained / setup.batch_size for setup in setups)
        return self.fewest_repeats * sum(0.5 + rounds_s + self.epochs * epoch_s for epoch_s in epochs_s)

    def baselines(self, setups: Sequence[Setup] | None = None) -> list[int]:
        """Return for every setup which one it is compared with, by its index; its own where there is none.

        Parameters
        ----------
        setups
            By default its own. Those that the runs tell of may be more.
        """
        setups = self.setups() if setups is None else setups
        places = {setup.key: place for place, setup in enumerate(setups)}
        fixed: dict[str, Any] = dict(self.baseline)  # as texts, as a setup's key is
        found = []
        for place, setup in enumerate(setups):
            # A baseline that calibrates, of a setup that does not, has the first number of examples.
            samples = setup.calibration_samples or self.calibration_samples[0]
            other = dataclasses.replace(setup, **{"calibration_samples": samples} | fixed)
            found.append(places.get(other.key, place))
        return found

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON holds them."""
        values = {name: getattr(self, name) for name in OPTIONS}
        told = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        told["baseline"] = [f"{axis}={value}" for axis, value in self.baseline]
        return told | ({REFUSED: [list(one) for one in self.refused]} if self.refused else {})


class _Plan:
    """Fields while they are read and checked: values so far, and mistakes by field."""

    def __init__(self, given: Mapping[str, object], kinds: Mapping[str, Kind] = MappingProxyType({})) -> None:
        self.values: dict[str, Any] = {}
        self.problems: dict[str, list[str]] = {}
        for name, option in OPTIONS.items():
            value = given.get(name)
            if value is None:  # as TOML and flags leave out what is not given
                self.values[name] = option.default
                continue
            try:
                self.values[name] = kinds.get(name, option.kind).read(value)
            except SeveralProblemsError as error:
                self.fail(name, *error.problems)
            except ValueError as error:
                self.fail(name, str(error))

    def fail(self, name: str, *problems: str) -> None:
        """Note what is wrong with a field; it has no value then."""
        self.problems.setdefault(name, []).extend(problems)
        self.values.pop(name, None)

    def has(self, *names: str) -> bool:
        """Tell whether these fields have values without mistakes."""
        return all(name in self.values for name in names)

    def raise_problems(self, others: Sequence[str] = ()) -> None:
        """Raise every mistake, in the order of the fields."""
        lines = [f"{name}: {text}" for name in OPTIONS for text in self.problems.get(name, ())]
        if lines or others:
            raise PlanError([*lines, *others])


def plan_experiment(fields: Mapping[str, object], surroundings: Surroundings) -> Experiment:
    """Check `fields` as a whole and return the experiment they describe.

    Parameters
    ----------
    fields
        Values by the names of `Fields`, and axes by their names below `GRID`; those left out take their defaults.
    surroundings
        What engines and data allow.

    Raises
    ------
    PlanError
        With one line for every mistake.
    """
    given, others = _flattened(fields)
    others += [
        f"{name}: {shown(given[name])} means nothing without until; give until, such as 1%, or leave {name} out"
        for name in ONLY_WITH_UNTIL
        if given.get("until") is None and given.get(name) is not None
    ]
    others += unknown_fields([name for name in given if name not in OPTIONS], OPTIONS)
    plan = _Plan(given)
    if plan.values.get("model") == MLP:
        if plan.has("data") and plan.values["data"] is None:
            plan.values["data"] = DIGITS
        facts = _check_data(plan, surroundings)
        _check_network(plan, facts)
        _check_samples(plan, facts)
    elif plan.has("model"):
        _check_model(plan)
    _check_only_of_some(plan, given)
    _check_threads(plan)
    _check_product(plan)
    refused = _check_engines(plan, surroundings)
    _check_baseline(plan)
    _check_baseline_runs(plan, dict(refused))
    _check_untrained(plan)
    _check_question(plan)
    if plan.has("until", "max_repeats", "repeats") and plan.values["until"] is not None:
        fewest = max(FEWEST_SEQUENTIAL, plan.values["repeats"])
        if plan.values["max_repeats"] < fewest:
            most = plan.values["max_repeats"]
            few = f"{most} is too few with until, which needs {fewest} repeats"
            plan.fail("max_repeats", f"{few}; give at least {fewest}")
    plan.raise_problems(others)
    if plan.values["learning_rate"] is None and not is_onnx(plan.values["model"]):
        plan.values["learning_rate"] = LEARNING_RATES[plan.values["optimizer"]]
    return Experiment(**plan.values | {"hidden": None, "refused": refused})


def _flattened(fields: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Return the fields with the axes among them, and a line for each axis that is unknown or given twice."""
    given = {str(name): value for name, value in fields.items()}
    grid = given.pop(GRID, None)
    if "precision" in given:  # the axis' own name, and what most people would write
        grid = {"precision": given.pop("precision")} | (dict(grid) if isinstance(grid, Mapping) else {})
    if grid is None:
        return given, []
    if not isinstance(grid, Mapping):
        return given, [f"{GRID}: {shown(grid)} is not a table of axes; give lists by the names {', '.join(AXES)}"]
    problems = []
    for axis, values in grid.items():
        name = AXES.get(str(axis), str(axis))
        if name not in AXES.values():
            problems.append(
                f"{GRID}: {shown(axis)} is not an axis{nearest(str(axis), AXES)}; allowed: {', '.join(AXES)}"
            )
        elif given.get(name) is not None:
            problems.append(
                f"{name}: {shown(given[name])} is given beside {GRID}.{axis}, {shown(values)}; give one of the two"
            )
        else:
            given[name] = values
    return given, problems


def _check_data(plan: _Plan, surroundings: Surroundings) -> DataFacts | None:
    """Check the data, and return what is known of them; None where they are made to fit, or were a mistake."""
    values = plan.values
    if plan.has("header") and values["header"] == "auto":
        values["header"] = None
    if plan.has("header", "label_column") and values["header"] == "no" and values["label_column"] is not None:
        column = values["label_column"]
        plan.fail("header", f"'no' names no columns, but label_column is {column!r}; leave one of them out")
    if not plan.has("data"):
        return None
    data, suffix = values["data"], Path(values["data"]).suffix.lower()
    if data not in BUILT_IN_DATA and suffix not in DATA_SUFFIXES:
        plan.fail(
            "data",
            f"{shown(data)} is neither a data set ({', '.join(BUILT_IN_DATA)}) nor a .npz, .csv or .tsv file"
            f"{nearest(data, BUILT_IN_DATA)}",
        )
        return None
    names = [one.name for one in dataclasses.fields(TableFormat)]
    if not plan.has(*names):
        return None
    form = TableFormat(**{name: values[name] for name in names})
    told = [(name, value) for name, value in vars(form).items() if value is not None]
    if told and (data in BUILT_IN_DATA or suffix not in TABLE_SUFFIXES):
        plan.fail("data", *(f"{data!r} is no table, but {name} is {shown(v)}; leave {name} out" for name, v in told))
        return None
    try:
        return surroundings.inspect_data(data, form)
    except PlanError as error:
        plan.fail("data", *error.problems)
        return None


ONLY_OF_MLP = ("hidden", "layer_sizes", "activations", "label_column", "separator", "header", "missing")
"""Fields that mean nothing to another network: its file says what it is, and what its data are."""

ONLY_OF_FILES = ("set",)
ONLY_OF_ONNX = ("shape",)
ONLY_OF_TRAINED = ("epochs", "optimizer", "learning_rate", "momentum")


def _check_model(plan: _Plan) -> None:
    """Check how a network that is not the perceptron is named, and that nothing more than that is known yet."""
    model, data = plan.values["model"], plan.values.get("data")
    if not model.strip():
        plan.fail("model", "nothing names no network; give a Python file, an .onnx file, or a built-in network")
    elif re.fullmatch(r"[\w-]+", model) and model not in BUILT_IN_NETWORKS and find_spec_of(model) is None:
        plan.fail(
            "model",
            f"{shown(model)} is neither a file, a module nor a built-in network{nearest(model, BUILT_IN_NETWORKS)}; "
            f"give my.py, my.py:make, package.module:name, net.onnx, or one of {', '.join(BUILT_IN_NETWORKS)}",
        )
    if data is not None and Path(data).suffix.lower() != ".npz":
        plan.fail("data", f"{shown(data)} cannot feed {shown(model)}; give an .npz of arrays by input name, and y")


def find_spec_of(module: str) -> object:
    """Return where a module is, without importing it; None where it is nowhere."""
    try:
        return find_spec(module)
    except (ImportError, ValueError):
        return None


def _check_only_of_some(plan: _Plan, given: Mapping[str, object]) -> None:
    """Refuse fields that would be ignored by this network."""
    if not plan.has("model"):
        return
    model = plan.values["model"]
    ignored = {
        "the multilayer perceptron": () if model == MLP else ONLY_OF_MLP,
        "a network that model() makes": ONLY_OF_FILES if model == MLP or is_onnx(model) else (),
        "an .onnx file": () if is_onnx(model) else ONLY_OF_ONNX,
        "networks that are trained": ONLY_OF_TRAINED if is_onnx(model) else (),
    }
    for only, names in ignored.items():
        for name in names:
            is_given = given.get(name) is not None and plan.has(name)
            if is_given and plan.values[name] not in {OPTIONS[name].default, 0 if name == "epochs" else None}:
                told = "" if model == MLP else f" and not of {shown(model)}"
                plan.fail(name, f"{shown(given[name])} is a matter of {only}{told}; leave it out")
    if is_onnx(model):
        plan.values["epochs"] = 0


def _check_network(plan: _Plan, facts: DataFacts | None) -> None:
    """Fill in what follows from the data, and hold the rest against them."""
    values = plan.values
    if plan.has("hidden") and values["hidden"] is not None:
        _check_units(plan, "hidden")
    if plan.has("layer_sizes", "hidden"):
        sizes, hidden = values["layer_sizes"], values["hidden"]
        if sizes is None:
            inputs, outputs = (facts.n_features, facts.n_classes) if facts else SYNTHETIC_ENDS
            values["layer_sizes"] = (inputs, *(HIDDEN if hidden is None else hidden), outputs)
        elif hidden is not None:
            plan.fail(
                "layer_sizes",
                f"{_dashed(sizes)} is given beside hidden, {_dashed(hidden) or 'none'}; give hidden, and inputs and "
                "outputs follow from the data, or layer_sizes alone",
            )
    if values.get("layer_sizes") is None:  # hidden was a mistake, and nothing follows from it
        values.pop("layer_sizes", None)
    else:
        _check_layer_sizes(plan, facts)
    if plan.has("activations"):
        _check_activations(plan)


def _check_layer_sizes(plan: _Plan, facts: DataFacts | None) -> None:
    sizes = plan.values["layer_sizes"]
    if not sizes or len(sizes) < 2:
        told = _dashed(sizes or ()) or "nothing"
        plan.fail("layer_sizes", f"{told} has {len(sizes or ())} entries; at least 2 are needed: inputs and outputs")
        return
    _check_units(plan, "layer_sizes")
    if not plan.has("layer_sizes") or facts is None:
        return
    told, data = _dashed(sizes), plan.values.get("data")
    if facts.n_features != sizes[0]:
        plan.fail(
            "layer_sizes",
            f"{told} begins with {sizes[0]}, but {data!r} has {facts.n_features} features; begin it with "
            f"{facts.n_features}, or give hidden instead",
        )
    if facts.n_classes != _classes(sizes):
        plan.fail(
            "layer_sizes",
            f"{told} ends with {sizes[-1]}, for {_classes(sizes)} classes, but {data!r} has {facts.n_classes} classes; "
            f"end it with {facts.n_classes}, or give hidden instead",
        )


def _check_units(plan: _Plan, name: str) -> None:
    sizes = plan.values[name]
    if min(sizes, default=1) < 1:
        plan.fail(name, f"{_dashed(sizes)} has the entry {min(sizes)}; every layer needs at least 1 unit")
    elif max(sizes, default=1) > LARGEST_LAYER:
        plan.fail(name, f"{_dashed(sizes)} has the entry {max(sizes)}; at most {LARGEST_LAYER} units fit a layer")


def _check_activations(plan: _Plan) -> None:
    activations, sizes = plan.values["activations"], plan.values.get("layer_sizes")
    if activations is None:
        ends = sizes or SYNTHETIC_ENDS
        plan.values["activations"] = ("relu",) * (len(ends) - 2) + ("sigmoid" if ends[-1] == 1 else "softmax",)
    elif sizes and len(activations) != len(sizes) - 1:
        plan.fail(
            "activations",
            f"{len(activations)} given ({listed(activations)}), {len(sizes) - 1} needed: one for each transition of "
            f"{_dashed(sizes)}",
        )
    elif sizes and sizes[-1] == 1 and activations[-1] != "sigmoid":
        plan.fail(
            "activations",
            f"the last is {activations[-1]!r} with a single output, which cannot tell classes apart; use 'sigmoid', or "
            "at least 2 outputs in layer_sizes",
        )


def _check_samples(plan: _Plan, facts: DataFacts | None) -> None:
    if not plan.has("n_samples"):
        return
    values = plan.values
    if values["n_samples"] is None:
        values["n_samples"] = facts.n_samples if facts else SYNTHETIC_SAMPLES
    n_samples, sizes = values["n_samples"], values.get("layer_sizes")
    # Where nothing is known of the data, the ends of the network may be anybody's.
    classes = facts.n_classes if facts else _classes(sizes) if sizes and plan.has("data") else 0
    if n_samples < classes:
        plan.fail("n_samples", f"{n_samples} is smaller than the {classes} classes; give at least {classes}")
    elif facts and n_samples > facts.n_samples:
        plan.fail(
            "n_samples",
            f"{n_samples} exceeds the {facts.n_samples} samples of {plan.values['data']!r}; give at most "
            f"{facts.n_samples}, or leave it out to use all",
        )


def _check_threads(plan: _Plan) -> None:
    if not plan.has("threads"):
        return
    limit = available_cpus()
    threads = plan.values["threads"] or (default_threads(),)
    plan.values["threads"] = threads
    for number in threads:
        if number > limit:
            plan.fail("threads", f"{number} exceeds the {limit} CPUs that this process may use; give at most {limit}")


def _check_engines(plan: _Plan, surroundings: Surroundings) -> tuple[tuple[str, str], ...]:
    """Return the setups that their engine does not run, and why; a value that nothing can run is a mistake.

    So is an engine that cannot be had, unless others can be: they go on without it.
    """
    known = surroundings.engine_modes
    missing = _check_known(plan, known)
    _check_takes_files(plan, surroundings)
    if not plan.has("engine", "precision_modes"):
        return ()
    modes = plan.values["precision_modes"]
    engines = [engine for engine in plan.values["engine"] if engine not in missing]
    _check_modes(plan, modes)
    samples = plan.values.get("calibration_samples", ())
    if (
        samples
        and samples != OPTIONS["calibration_samples"].default
        and not any(MODES[one].calibration for one in modes)
    ):
        few = listed(samples)
        plan.fail("calibration_samples", f"{few} given, and {listed(modes)} take no scales from examples; leave it out")
    for mode in modes if not missing else ():  # what is missing may run it
        if not any(mode in known[engine] for engine in engines):
            able = [name for name in known if _runs(known, name, mode)]
            told = f"the engine {engines[0]!r}" if len(engines) == 1 else f"any of the engines {', '.join(engines)}"
            plan.fail(
                "precision_modes", f"{mode!r} cannot run on {told}; engines that can: {', '.join(able) or 'none'}"
            )
    for engine in engines if len(plan.values["engine"]) > 1 else ():
        if not any(mode in known[engine] for mode in modes):
            able = [mode for mode in known[engine] if ":" not in mode]
            plan.fail("engine", f"{engine!r} runs none of {', '.join(modes)}; it runs {', '.join(able)}")
    if not plan.has("engine"):
        plan.fail("engine", *missing.values())
    return _refused(plan, surroundings, missing) if plan.has(*AXES.values()) else ()


def _refused(plan: _Plan, surroundings: Surroundings, missing: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the setups that their engine does not run, or that have none; of a resumed experiment the same as then."""
    known, before, refused = surroundings.engine_modes, surroundings.refused or {}, {}
    for setup in _setups_of(plan):
        if setup.name in before:
            refused[setup.name] = before[setup.name]
        elif setup.engine in missing and surroundings.refused is not None:
            plan.fail("engine", missing[setup.engine])
            return ()
        elif setup.engine in missing:
            refused[setup.name] = missing[setup.engine]
        elif setup.precision not in known[setup.engine]:
            refused[setup.name] = f"{setup.engine} does not run {setup.precision}"
    return tuple(refused.items())


def _setups_of(plan: _Plan) -> Iterator[Setup]:
    """Give the product of the axes, of no workload."""
    nothing = Perceptron((), (), "", 0, 0.0, 0, "", 0.0, 0.0)
    return _product(nothing, {axis: plan.values[name] for axis, name in AXES.items()})


def _check_modes(plan: _Plan, modes: Sequence[str]) -> None:
    first: dict[PrecisionMode, str] = {}
    for mode in modes:
        if (same := first.setdefault(MODES[mode], mode)) != mode:
            plan.fail("precision_modes", f"{mode!r} is the same as {same!r}; give one of the two")


def _check_known(plan: _Plan, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the engines that cannot be had, and why; where none can be had, and of an unknown one, it is a mistake."""
    engines, missing = plan.values.get("engine", ()), {}
    for engine in engines:
        try:
            known[engine]
        except KeyError:
            plan.fail(
                "engine", f"{shown(engine)} is not an engine{nearest(engine, known)}; allowed: {', '.join(known)}"
            )
        except PlanError as error:
            missing[engine] = "; ".join(error.problems)
    if missing and len(missing) == len(engines):
        plan.fail("engine", *missing.values())
    return missing


def _check_takes_files(plan: _Plan, surroundings: Surroundings) -> None:
    unable = [name for name in plan.values.get("engine", ()) if name in surroundings.engines_of_modules]
    if unable and is_onnx(plan.values.get("model", "")):
        told = f"{', '.join(map(repr, unable))} runs torch modules, and {shown(plan.values['model'])} is none"
        plan.fail("engine", f"{told}; leave it out")


def _runs(known: Mapping[str, Sequence[str]], engine: str, mode: str) -> bool:
    try:
        return mode in known[engine]
    except PlanError:  # another package's, which cannot be imported
        return False


def _check_product(plan: _Plan) -> None:
    """Refuse more setups than can be planned, before they are formed."""
    if not plan.has(*AXES.values()):
        return
    number = math.prod(len(plan.values[name]) for name in AXES.values())
    if number > MOST_PLANNED:
        longest = max(AXES.values(), key=lambda name: len(plan.values[name]))
        told = f"{len(plan.values[longest])} values make {number} setups with those of the other axes"
        plan.fail(longest, f"{told}; at most {MOST_PLANNED} can be planned: give fewer values")


def _product(workload: Workload, axes: Mapping[str, Sequence[Any]]) -> Iterator[Setup]:
    """Give a setup for each combination of values, those that differ by the last axis beside each other.

    A setup that takes no scales from examples is there once, for whatever numbers of them.
    """
    varying = frozenset(axis for axis, values in axes.items() if len(values) > 1)
    setups = (Setup(workload, **dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values()))
    for setup in dict.fromkeys(setups):
        yield setup.named(varying)


def _check_baseline(plan: _Plan) -> None:
    """Read a partial setup, ``precision=float32,engine=torch``; a bare value is that of the axis that has it."""
    if not plan.has("baseline", "against", *AXES.values()):
        plan.values.pop("baseline", None)
        return
    if plan.values["against"] is not None:
        _check_baseline_there(plan)
        return
    axes = {axis: [str(value) for value in plan.values[name]] for axis, name in AXES.items()}
    given = plan.values["baseline"]
    if given is None:
        modes = axes["precision"]
        plan.values["baseline"] = usual_baseline(modes)
        return
    found: dict[str, str] = {}
    for part in given:
        axis, has_axis, value = part.partition("=")
        axis, value = (axis.strip().replace("-", "_"), value.strip()) if has_axis else ("", part.strip())
        axis = next((one for one, name in AXES.items() if axis in {one, name}), axis)
        fitting = [one for one, values in axes.items() if value in values and axis in {"", one}]
        if has_axis and axis not in axes:
            plan.fail("baseline", f"{shown(axis)} is not an axis{nearest(axis, axes)}; allowed: {', '.join(axes)}")
        elif not fitting:
            _fail_baseline(plan, value, axes[axis] if has_axis else axes["precision"], axis or "precision")
        elif len(fitting) > 1:
            told = " and of ".join(fitting)
            plan.fail("baseline", f"{value!r} is a value of {told}; say which, as {fitting[0]}={value}")
        elif fitting[0] in found:
            plan.fail("baseline", f"{fitting[0]} is given twice, {found[fitting[0]]!r} and {value!r}; give it once")
        else:
            found[fitting[0]] = value
    if plan.has("baseline"):
        plan.values["baseline"] = tuple(found.items())


def usual_baseline(modes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what setups of these precisions are compared with where nothing else is asked for."""
    return (("precision", BASELINE if BASELINE in modes else modes[0]),)


def _check_baseline_there(plan: _Plan) -> None:
    """Have each setup compared with itself in the other environment, and with nothing else."""
    there = f"{ENVIRONMENT}={OTHER}"
    given = plan.values["baseline"]
    if given is not None and given != (there,):
        told = f"{shown(','.join(given))} is given beside against, by which each setup is compared with itself"
        plan.fail("baseline", f"{told} in the other environment; leave one of the two out")
    plan.values["baseline"] = ((ENVIRONMENT, OTHER),)


def _check_baseline_runs(plan: _Plan, refused: Mapping[str, str]) -> None:
    """Refuse a baseline all setups of which are left out: nothing would be compared with it."""
    if not (refused and plan.has("baseline", "against", *AXES.values())) or plan.values["against"] is not None:
        return
    fixed = plan.values["baseline"]
    fitting = [one.name for one in _setups_of(plan) if all(str(getattr(one, axis)) == value for axis, value in fixed)]
    if fitting and all(name in refused for name in fitting):
        told = ",".join(f"{axis}={value}" for axis, value in fixed)
        plan.fail("baseline", f"nothing runs as {told}: {refused[fitting[0]]}; or give another")


def _fail_baseline(plan: _Plan, value: str, values: Sequence[str], axis: str) -> None:
    told = "the precision modes" if axis == "precision" else f"the values of {axis}"
    plan.fail("baseline", f"{shown(value)} is not among {told}{nearest(value, values)}; give one of {listed(values)}")


def _check_untrained(plan: _Plan) -> None:
    """See to it that nothing is asked about a training that there is not."""
    if plan.values.get("epochs") == 0:
        for name, metric in asked_of_training(plan.values):
            plan.fail(name, f"{metric!r} is of training, and nothing is trained with epochs 0; leave it out")


def asked_of_training(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find the fields that ask for a metric of training, each with the metric."""
    for name in ("objectives", "until_metric", "minimise", "limit"):
        asked = fields.get(name) or ()
        for metric in [asked] if isinstance(asked, str) else [one.partition("=")[0] for one in asked]:
            if metric.replace("-", "_") in OF_TRAINING:
                yield name, metric


def _check_question(plan: _Plan) -> None:
    if not plan.has("objectives"):
        return
    objectives = plan.values["objectives"]
    if len(objectives) < 2 or len(set(objectives)) < len(objectives):
        plan.fail("objectives", f"{','.join(objectives) or 'nothing'} given; name two or more, each once")
        return
    for name, _ in map(zone_of, plan.values.get("indifferent", ())):
        if name not in objectives:
            plan.fail("indifferent", f"{name} is not among the objectives, {','.join(objectives)}; name it there, too")


def _classes(layer_sizes: Sequence[int]) -> int:
    """Return how many classes the network tells apart: a single output tells two."""
    return max(2, layer_sizes[-1])


def _dashed(sizes: Sequence[int]) -> str:
    return "-".join(map(str, sizes))


def given_fields(stored: Mapping[str, object]) -> dict[str, object]:
    """Return a stored experiment's fields as somebody may have given them: without those that `until` would need."""
    unused = ONLY_WITH_UNTIL if stored.get("until") is None else ()
    return {name: value for name, value in stored.items() if name not in {*unused, REFUSED}}


def resumed_fields(stored: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a stored experiment with those that are given again in place of its own."""
    before, (again, _) = given_fields(stored), _flattened(given)
    if again.get("hidden") is not None:
        before.pop("layer_sizes", None)  # what hidden says, and the data
    if any(again.get(name) is not None for name in AXES.values()):
        before.pop("baseline", None)  # it may not be among these
    return before | again


def stored_experiment(fields: Mapping[str, object]) -> Experiment:
    """Return the experiment that a result folder's manifest or journal tells of, as it was then.

    Every field is of its type and within its range, and what the analysis relies on holds. What depended on the
    machine, its engines and its data files is not checked: it may have run elsewhere, with a newer version.

    Parameters
    ----------
    fields
        By name. What is no field of an experiment, as a later version may have written, is left out.

    Raises
    ------
    PlanError
        With one line for every field of the wrong type or value.
    """
    known = {name: value for name, value in fields.items() if name in OPTIONS}
    plan = _Plan(known, {"precision_modes": Several(Text("mode"), once="mode"), "activations": Several(Text())})
    values = plan.values
    is_mlp = values.get("model") == MLP
    for name in ("layer_sizes", "activations") if is_mlp else ():
        if plan.has(name) and values[name] is None:
            plan.fail(name, "nothing is not a list; give a list")
    if is_mlp and plan.has("layer_sizes"):
        _check_layer_sizes(plan, None)
    if is_mlp and plan.has("activations", "layer_sizes"):
        needed = len(values["layer_sizes"]) - 1
        if len(values["activations"]) != needed:
            plan.fail("activations", f"{len(values['activations'])} given, {needed} needed: one for each transition")
    values["threads"] = values.get("threads") or (1,)
    _check_product(plan)
    _check_baseline(plan)
    _check_question(plan)
    refused: Any = fields.get(REFUSED) or []
    if not isinstance(refused, list) or not all(
        isinstance(one, list) and len(one) == 2 and all(isinstance(word, str) for word in one) for one in refused
    ):
        plan.raise_problems([f"{REFUSED}: {shown(refused)} is not a list of names with reasons"])
    plan.raise_problems()
    return Experiment(**values, refused=tuple((name, why) for name, why in refused))
