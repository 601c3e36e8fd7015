"""PyTorch compiled by Inductor: float32, bfloat16, float16."""

import atexit
import contextlib
import functools
import math
import os
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from significand.engines.base import Engine, Session
from significand.engines.operators import UNKNOWN, Operator
from significand.engines.torch_eager import TorchEngine, TorchSession
from significand.engines.torch_operators import PRODUCTS, operator_times, operators_of
from significand.plan.problems import RunFailedError
from significand.plan.setup import Setup
from significand.workload.arrays import Feeds, called
from significand.workload.base import Outputs, Trained
from significand.workload.training import as_arrays

CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""Variable of the environment that names Inductor's folder. Ours are to have one of their own for each process: what is
compiled already takes no time to compile."""

RECOMPILED = 1000
"""How often a network may be compiled anew, by default 8 times, after which torch would run it as it is, silently."""

NO_COMPILER = "torch-compile finds no C++ compiler; install one (apt install g++), or name one in the variable CXX"

LONGEST_REASON = 300

MATRIX_PRODUCTS = frozenset({"aten::addmm", "aten::addmv", "aten::baddbmm", "aten::bmm", "aten::mm", "aten::mv"})
"""Which the compiler puts in each other's place."""

DTYPES = {"double": "float64", "float": "float32", "c10::BFloat16": "bfloat16", "c10::Half": "float16"}
"""As the profiler calls them."""


class TorchCompileEngine(TorchEngine):
    """Keeps the network as the engine torch does; it is compiled for a batch when it gets the first of its shape."""

    def preload(self, setup: Setup) -> None:
        """Import what compiles, which takes seconds; no process is started for it."""
        _inductor()

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> None:
        """Write the network, and have the compiler's headers ready, which are no part of the time of a network."""
        _warm_up()
        super().save(trained, setup, calibration, path)

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        """Run one batch without the compiler, see which operators run, and look for their products in the compiled run.

        What multiplies is rarely compiled: it stays a call of torch's own kernels, which the profiler shows with the
        types of their operands. A product that is not among them has become a part of a compiled kernel, in which
        nobody looks: its format is unknown. Other operators are told as the network has them, not as they were fused.
        """
        session = self.open(path, setup)
        call = session.bind(feeds)
        seen = _products_of(call)
        return list(_confirmed(operators_of(session.network, session.bind_plainly(feeds)), seen))

    def profile(self, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
        """Return the seconds of each operator in a call, and of each compiled kernel, by torch's profiler."""
        _inductor()
        torch._dynamo.reset()  # or what is compiled already would run, in which no kernel says its name
        session = self.open(path, setup, {"cpp.enable_kernel_profile": True})
        operators = operators_of(session.network, session.bind_plainly(feeds))
        call = session.bind(feeds)
        call()
        return operator_times(operators, call, calls)

    def open(self, path: Path, setup: Setup, settings: Mapping[str, object] | None = None) -> "TorchCompileSession":
        """Load the network; see `TorchEngine.open`. It is compiled when it is bound to a batch."""
        return TorchCompileSession(super().open(path, setup), settings or {})


class TorchCompileSession(TorchSession):
    """A network that is compiled for each shape of inputs that it gets, before it is called with it.

    Attributes
    ----------
    compile_time_s
        Of the last batch that it was bound to: compiling, with the call that this needs. NaN where nothing was
        compiled, or where this process had compiled the same before.
    """

    compile_time_s = math.nan

    def __init__(self, plain: TorchSession, settings: Mapping[str, object]) -> None:
        super().__init__(plain.network, plain.form, plain.dtype)
        self._settings = settings
        self._compiled = torch.compile(plain.network, dynamic=False)
        self._ready: set[tuple[tuple[int, ...], ...]] = set()

    def bind(self, feeds: Feeds) -> Callable[[], object]:
        """Compile for a batch, and return the call under inference mode."""
        return functools.partial(self._infer, self._prepared(feeds))

    def predict(self, feeds: Feeds) -> Outputs:
        """Return the outputs, real numbers as float64."""
        return as_arrays(self._infer(self._prepared(feeds)))

    def _prepared(self, feeds: Feeds) -> Any:  # noqa: ANN401 - one tensor, a tuple or a dict
        """Return a batch as the network takes it, which is compiled for its shapes."""
        inputs, shapes = self.inputs(feeds), tuple(array.shape for array in feeds.values())
        if shapes in self._ready:
            return inputs
        _warm_up()
        with _one_line(), _settings(_folder_of(os.getpid()), **self._settings):
            graphs, known = _counts()
            begin = time.perf_counter()
            self._infer(inputs)
            is_new = _counts()[0] > graphs and _counts()[1] == known
            self.compile_time_s = time.perf_counter() - begin if is_new else math.nan
        self._ready.add(shapes)
        return inputs

    @torch.inference_mode()
    def _infer(self, inputs: Any) -> Any:  # noqa: ANN401 - the network's own types
        return called(self._compiled, inputs)


def _confirmed(operators: Sequence[Operator], seen: Counter[tuple[str, str]]) -> Iterator[Operator]:
    """Give the operators of a network, products that did not run in the compiled one as unknown."""
    left = seen.copy()
    for one in operators:
        key = (_family(one.kind), one.format)
        if not one.format or left[key]:
            left[key] -= 1
            yield one
        else:
            yield replace(one, format=UNKNOWN, note="a part of a compiled kernel, whose format is not seen")


def _products_of(call: Callable[[], object]) -> Counter[tuple[str, str]]:
    """Count the products that run in a call, by family and by the type of their weights."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
        call()
    found: Counter[tuple[str, str]] = Counter()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() in PRODUCTS]
    end = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.start_ns() >= end:  # else the one before has called it
            end = event.end_ns()
            weights = event.dtypes()[PRODUCTS[event.name()][0]]
            found[_family(event.name()), DTYPES.get(weights, UNKNOWN)] += 1
    return found


def _family(kind: str) -> str:
    return "matrix product" if kind in MATRIX_PRODUCTS else kind


@functools.cache
def _inductor() -> Any:  # noqa: ANN401 - torch's own module
    """Import Inductor, which would otherwise start processes to compile in, and use the system's temporary folder."""
    with _cache_in(_shared()), _without_warnings():
        from torch._inductor import config  # noqa: PLC0415 - takes seconds, and no other engine needs it

        with config.patch(compile_threads=1):
            from torch._inductor import codecache, compile_fx  # noqa: F401, PLC0415 - Dynamo, too
    with contextlib.suppress(ImportError):  # which it does when it compiles, where that is there
        import_module("setuptools")
    headers = Path(_shared()) / "headers"
    codecache._HEADER_DIR, codecache._HEADER_LOCK_DIR = str(headers), str(headers / "locks")
    return config


@contextlib.contextmanager
def _settings(folder: str, **settings: object) -> Iterator[None]:
    """Compile in this process, into a folder."""
    config = _inductor()
    limits = torch._dynamo.config.patch(recompile_limit=RECOMPILED, fail_on_recompile_limit_hit=True)
    with _cache_in(folder), config.patch({"compile_threads": 1, **settings}), limits, _without_warnings():
        yield


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep to itself what torch has to say about its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    """Name Inductor's folder. Where none was named, ours stays: torch itself sets the variable, to the system's."""
    before = os.environ.get(CACHE, folder)
    os.environ[CACHE] = folder
    try:
        yield
    finally:
        os.environ[CACHE] = before


def _counts() -> tuple[int, int]:
    """Return how many graphs this process has compiled so far, and how many it had compiled already."""
    counters = torch._dynamo.utils.counters
    return counters["stats"]["unique_graphs"], counters["inductor"]["fxgraph_cache_hit"]


@functools.cache
def _warm_up() -> None:
    """Compile something small, so that what the compiler needs once is no part of a network's time: headers, tests.

    What it leaves in the folder that all processes share takes most of a minute the first time.
    """
    _inductor()
    with _one_line(), _settings(_shared()):
        torch.compile(torch.neg, dynamic=False)(torch.ones(8))


@functools.cache
def _shared() -> str:
    """Return the folder that the environment names; else make one. Forks have the same."""
    if named := os.environ.get(CACHE):
        return named
    folder, owner = tempfile.mkdtemp(prefix="inductor-"), os.getpid()

    @atexit.register
    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    return folder


@functools.cache
def _folder_of(process: int) -> str:  # noqa: ARG001 - a fork needs another one
    """Make a folder for what a process compiles."""
    return tempfile.mkdtemp(prefix="run-", dir=_shared())


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Say in one line why a network cannot be compiled."""
    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        if "InvalidCxxCompiler" in _types_of(error):
            raise RunFailedError(NO_COMPILER) from error
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        raise RunFailedError(f"torch cannot compile the network: {reason}") from error


def _types_of(error: BaseException | None) -> set[str]:
    """Return the names of the types of an error and of what it stems from."""
    types: set[str] = set()
    while error is not None:
        types.add(type(error).__name__)
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
    return types


ENGINE: Engine = TorchCompileEngine()
_: type[Session] = TorchCompileSession
