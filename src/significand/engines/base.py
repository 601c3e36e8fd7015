"""What an engine is, and the registry of engines. No engine is imported here, so no torch either."""

import functools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from significand.engines.operators import Operator
from significand.plan.precision import MODES
from significand.plan.problems import PlanError
from significand.plan.setup import Setup
from significand.workload.arrays import Feeds
from significand.workload.base import Outputs, Trained


class Session(Protocol):
    """A trained network, loaded and ready to infer in one precision."""

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Return a call without arguments that infers on a batch, given by the names of the inputs.

        Converting the batch to the session's input types happens here, not in the call: the call is what is timed. So
        does compiling for its shapes; the session's ``compile_time_s`` then says how long that took.
        """
        ...

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the outputs on a batch, examples first; real numbers as float64."""
        ...


class Engine(Protocol):
    """Writes trained networks in its own format and opens them as sessions."""

    file_suffix: str

    def preload(self, setup: Setup) -> None:
        """Import what the setup needs, so that processes forked from this one need not."""
        ...

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> Sequence[str] | None:
        """Write a network in the setup's inference format; return what is to be known of it, a sentence each.

        Parameters
        ----------
        trained
            The network, as a module or as an ONNX file.
        setup
            In which precision.
        calibration
            Training examples by the names of the inputs, from which static quantisation takes its scales.
        path
            File to write, with the engine's suffix; further files have names that begin with its name and a dot.
        """
        ...

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        """Return the operators that a session on what `save` wrote really runs, given a batch, with their formats.

        Found by looking at the engine's graph or operators, in a session that is thrown away. What is not understood is
        `significand.engines.operators.UNKNOWN`. An engine may add ``profile(path, setup, feeds, calls)``, which returns
        the seconds that each of them takes in a call, by its name, and the whole call: see `profile`. It may add
        ``witness(path, setup, moved=0.0)``, which opens a quantised file so that it is computed without optimisations,
        its scales moved by that share of themselves: a session with ``fixed_batch``, as ONNX Runtime's has it.
        """
        ...

    def open(self, path: Path, setup: Setup) -> Session:
        """Load what `save` wrote, to run on the setup's threads."""
        ...


@dataclass(frozen=True)
class EngineEntry:
    """One engine of this package, before it is imported.

    Attributes
    ----------
    module
        Where its object ``ENGINE`` is; imported on use only.
    modes
        Names of the precision modes it runs.
    native_modes
        Those of them that it computes in their own format on any CPU, with instructions for it or without.
    needs_module
        Whether it runs torch modules only, and no ONNX file.
    variants
        Names of the variants of these modes that it runs.
    is_tried
        Whether `modes` and `doctor` try it: what compiles for seconds is tried where it is asked for.
    extra
        The extra of this package that brings what it needs, called as what is then imported; empty where it needs none.
    """

    module: str
    modes: tuple[str, ...]
    native_modes: tuple[str, ...]
    needs_module: bool = False
    variants: tuple[str, ...] = ()
    is_tried: bool = True
    extra: str = ""


_TORCH_MODES = ("float64", "float32", "bfloat16", "float16", "int8-dynamic")
_COMPILED_MODES = ("float32", "bfloat16", "float16")

ENGINES = {
    "onnxruntime": EngineEntry(
        "significand.engines.onnx_runtime",
        modes=("float32", "float16", "int8", "int8-dynamic", "int8-weights", "int4"),
        native_modes=("float32", "int8", "int8-dynamic", "int8-weights", "int4"),
        variants=(
            "int8:minmax",
            "int8:entropy",
            "int8:percentile",
            *MODES.variants("int8-weights"),
            *MODES.variants("int4"),
        ),
    ),
    "openvino": EngineEntry(
        "significand.engines.openvino",
        modes=("float32", "bfloat16", "float16", "int8"),
        native_modes=("float32", "int8"),
        variants=tuple(MODES.variants("int8")),
        extra="openvino",
    ),
    "torch": EngineEntry(
        "significand.engines.torch_eager", modes=_TORCH_MODES, native_modes=_TORCH_MODES, needs_module=True
    ),
    "torch-compile": EngineEntry(
        "significand.engines.torch_compile",
        modes=_COMPILED_MODES,
        native_modes=_COMPILED_MODES,
        needs_module=True,
        is_tried=False,
    ),
}

GROUP = "significand.engines"
"""Entry points by which other packages add engines: the engine's name, and the object that is one. Beside what `Engine`
says, it has ``modes`` and ``native_modes`` as an `EngineEntry`, and may have its ``variants``, ``needs_module`` and
``is_tried``."""


class EngineMissingError(PlanError):
    """An engine cannot be had: its extra is not installed, or another package adds it and it cannot be imported."""


class _EngineModes(Mapping[str, Sequence[str]]):
    """For each engine the modes that it runs; what another package adds is imported when it is asked for."""

    def __getitem__(self, name: str) -> Sequence[str]:
        engine = _entry(name) if name in ENGINES else _added_engine(name)
        return (*engine.modes, *getattr(engine, "variants", ()))

    def __iter__(self) -> Iterator[str]:
        return iter((*ENGINES, *_added()))

    def __len__(self) -> int:
        return len(ENGINES) + len(_added())


def engine_modes() -> Mapping[str, Sequence[str]]:
    """Return for each engine the modes that it runs, their variants last.

    Looking up an engine raises `EngineMissingError` where it cannot be had.
    """
    return _EngineModes()


def runs(engine_name: str, mode_name: str) -> bool:
    """Tell whether an engine runs a mode, or a variant of one; an engine that is not there runs none."""
    try:
        return mode_name in engine_modes()[engine_name]
    except (KeyError, EngineMissingError):
        return False


def lacks(mode_name: str) -> str:
    """Say that an engine does not run a mode, and which do."""
    return f"not on this engine; on: {', '.join(name for name in engine_modes() if runs(name, mode_name)) or 'none'}"


def native_modes(name: str) -> Sequence[str]:
    """Return the modes that an engine computes in their own format on any CPU."""
    return ENGINES[name].native_modes if name in ENGINES else tuple(_added_engine(name).native_modes)


class _EnginesOfModules(Container[str]):
    """Which engines run torch modules only; what another package adds is imported when it is asked for."""

    def __contains__(self, name: object) -> bool:
        return _declared(str(name), "needs_module", default=False)


def engines_of_modules() -> Container[str]:
    """Return the engines that run torch modules only, and no ONNX file; those that cannot be had are none."""
    return _EnginesOfModules()


def engines_tried() -> list[str]:
    """Return the engines that are tried where none is asked for, those that cannot be had among them."""
    return [name for name in engine_modes() if _declared(name, "is_tried", default=True)]


def _declared(name: str, what: str, *, default: bool) -> bool:
    """Return what an engine declares of itself, the default where it does not, or cannot be had."""
    if name in ENGINES:
        return bool(getattr(ENGINES[name], what))
    try:
        return bool(getattr(_added_engine(name), what, default))
    except (KeyError, EngineMissingError):
        return default


def get_engine(name: str) -> Engine:
    """Import the engine of that name and return it.

    Raises
    ------
    KeyError
        When there is none; plans are checked before, so this is a mistake in the program.
    EngineMissingError
        When it cannot be had.
    """
    return cast("Engine", import_module(_entry(name).module).ENGINE) if name in ENGINES else _added_engine(name)


def _entry(name: str) -> EngineEntry:
    entry = ENGINES[name]
    if entry.extra and find_spec(entry.extra) is None:
        raise EngineMissingError([f"{name!r} is not installed; pip install 'significand[{entry.extra}]'"])
    return entry


def profile(engine: Engine, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
    """Return the seconds that each operator takes in a call, by its name, from the engine's own profiler.

    Parameters
    ----------
    engine, path, setup, feeds
        As for `Engine.computes_in`, in a session that is thrown away as well.
    calls
        Over which the mean is taken, after one that warms up.

    Returns
    -------
    mapping of str to float
        With the whole call as `significand.engines.operators.CALL`; empty where the engine has no profiler.
    """
    times = getattr(engine, "profile", None)
    return {} if times is None else cast("Mapping[str, float]", times(path, setup, feeds, calls))


def packages_of(engines: Iterable[str]) -> list[str]:
    """Return the packages that add some engines, without importing them; this package's own need none."""
    points = [_added().get(name) for name in engines if name not in ENGINES]
    return list(dict.fromkeys(point.dist.name for point in points if point and point.dist))


@functools.cache
def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ENGINES}


@functools.cache
def _added_engine(name: str) -> Any:  # noqa: ANN401 - an `Engine` with its modes
    point = _added()[name]
    try:
        engine = point.load()
        missing = [what for what in (*_WANTED, "modes", "native_modes") if not hasattr(engine, what)]
    except (Exception, SystemExit) as error:
        raise EngineMissingError([f"{_told(point)} cannot be imported: {type(error).__name__}: {error}"]) from error
    if missing:
        raise EngineMissingError([f"{_told(point)} is no engine: it has no {', '.join(missing)}"])
    return engine


_WANTED = ("file_suffix", "preload", "save", "computes_in", "open")


def _told(point: EntryPoint) -> str:
    package = f" of the package {point.dist.name}" if point.dist else ""
    return f"{point.name!r} ({point.value}{package}; mend or uninstall it)"
