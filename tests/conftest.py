"""Experiments small enough for a test, and what several tests look at."""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from quick_export import remember_operators
from significand.engines.base import engine_modes
from significand.meters.counters import EnergyPlan
from significand.plan.experiment import Experiment, Surroundings, plan_experiment
from significand.plan.setup import Setup
from significand.runner.block import Block
from significand.runner.guard import NAME
from warm_processes import Nursery, started_cold

SMALL: dict[str, object] = {
    "layer_sizes": [16, 32, 4],
    "activations": ["relu", "softmax"],
    "precision_modes": ["float32", "int8"],
    "data": "synthetic",
    "n_samples": 200,
    "batch_size": 16,
    "epochs": 2,
    "repeats": 2,
    "seed": 7,
    "latency_rounds": 2,
    "round_duration_s": 0.002,
    "on_noise": "mark",  # the machine of the tests is busy, and measuring again would take its time
}

collect_ignore = ["example_engine"]  # a package of its own, which is not installed here

SPECIFIED = "test_statistical_analysis.py"
"""Slow as a whole; that file stays as it is."""

NO_DATA = Surroundings(engine_modes(), lambda name, column: None)  # noqa: ARG005 - synthetic data has no facts


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where the slow tests are left out, and more before a release; each time it is other ones."""
    from hypothesis import settings  # noqa: PLC0415 - programs that import from here need no time for it

    is_release, is_quick = bool(config.getoption("cov_source", None)), config.getoption("markexpr") == "not slow"
    # A shared machine may stall any single example; what is slow shows in the suite's own time.
    settings.register_profile("significand", deadline=None, max_examples=60 if is_release else 15 if is_quick else 25)
    settings.load_profile("significand")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out modules that are slow as a whole where the slow are left out: importing torch alone takes seconds."""
    return (config.getoption("markexpr") == "not slow" and _is_slow(collection_path)) or None


@functools.cache
def _is_slow(path: Path) -> bool:
    """Tell whether a file is a module of which all tests are slow, without importing it."""
    marks = "\npytestmark = pytest.mark.slow\n", "\npytestmark = [\n    pytest.mark.slow,\n"
    return path.name == SPECIFIED or (path.suffix == ".py" and any(mark in path.read_text("utf-8") for mark in marks))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let modules that are slow as a whole go first, then the other slow tests: both test processes end together."""
    for item in items:
        if item.path.name == SPECIFIED:
            item.fixturenames.insert(0, "warm")  # type: ignore[attr-defined]  # of a function
    items.sort(key=lambda item: (not _is_slow(item.path), item.get_closest_marker("slow") is None))


def small_experiment(**changes: object) -> Experiment:
    """Return a small experiment on synthetic data, with changes."""
    return plan_experiment(SMALL | changes, NO_DATA)


def setup_of(
    layer_sizes: tuple[int, ...], activations: tuple[str, ...], precision: str, engine: str = "onnxruntime"
) -> Setup:
    """Return a setup of a network on synthetic data."""
    experiment = small_experiment(
        layer_sizes=layer_sizes, activations=activations, precision_modes=[precision], engine=engine, threads=1
    )
    return experiment.setups()[0]


def blocks_of(experiment: Experiment) -> list[Block]:
    """Return all blocks of an experiment."""
    energy = EnergyPlan(experiment.watts_per_core)
    return [Block(experiment, repeat, tuple(experiment.setups()), energy) for repeat in range(experiment.repeats)]


@pytest.fixture(autouse=True, scope="session")
def cache_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what a report caches out of the user's folders, also in subprocesses."""
    with pytest.MonkeyPatch.context() as patch:
        # One for all processes of the tests, or each would make anew the charts' script, and what torch compiles once.
        caches = tmp_path_factory.getbasetemp().parent
        patch.setenv("XDG_CACHE_HOME", str(caches / "cache"))
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(caches / "inductor"))
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_torch() -> None:
    """Have torch compute in one thread, as there is a core for each process that tests; let it remember for exports."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if "torch.onnx" in sys.modules:
        remember_operators()


@pytest.fixture(autouse=True, scope="session")
def artist(pytestconfig: pytest.Config) -> Iterator[None]:
    """Have one process draw for all tests that are not about it: each that is started imports Matplotlib anew."""
    if pytestconfig.getoption("markexpr") == "not slow":
        yield
        return
    from significand.present.plots.write import one_artist  # noqa: PLC0415 - takes long to import

    with one_artist():
        yield


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Have a process that has imported everything, for `warm`; one for all tests."""
    with Nursery() as begun:
        yield begun


@pytest.fixture(scope="module")
def warm(nursery: Nursery) -> Iterator[None]:
    """Fork Python processes from one that has imported everything, in a module that is not about their start."""
    with nursery.used():
        yield


@pytest.fixture
def warm_test(nursery: Nursery) -> Iterator[None]:
    """Do the same in a single test."""
    with nursery.used():
        yield


@pytest.fixture
def cold_test() -> Iterator[None]:
    """Start processes as ever in a test of a module that takes `warm`: it is about their start, too."""
    with started_cold():
        yield


@pytest.fixture
def no_orphans() -> Iterator[None]:
    """Fail when the test leaves a process behind."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    deadline = time.monotonic() + 10
    while left := [p for p in psutil.Process().children(recursive=True) if p.pid not in before]:
        assert time.monotonic() < deadline, f"processes left behind: {left}"
        time.sleep(0.05)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give temporary files a folder of their own, also in subprocesses."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Return whether `condition` comes true within the time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def forkservers_of(pid: int) -> list[psutil.Process]:
    """Return the forkserver that a process has started; none where there is none yet."""
    return [child for child in psutil.Process(pid).children() if _is_forkserver(child)]


def forkserver_of(pid: int | None = None) -> psutil.Process:
    """Return the forkserver that a process has started."""
    return forkservers_of(pid or os.getpid())[0]


def workers_of(pid: int) -> list[psutil.Process]:
    """Return the workers of the forkserver that a process has started; none where there is no forkserver yet."""
    return [worker for forkserver in forkservers_of(pid) for worker in forkserver.children() if not is_guard(worker)]


def is_guard(process: psutil.Process) -> bool:
    """Tell whether a child of the forkserver is its guard, and no worker."""
    with contextlib.suppress(psutil.NoSuchProcess):  # it is gone with its name
        return str(process.name()) == NAME[:15]
    return False


def _is_forkserver(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # git, asked for the revision, is gone soon
        return "significand.runner.forkserver" in " ".join(process.cmdline())
    return False


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let experiments take no time: neither processes nor drawing."""
    from made_up_jobs import take_no_time  # noqa: PLC0415 - takes long to import, and few tests need it

    take_no_time(monkeypatch)
    return monkeypatch


@pytest.fixture(scope="module")
def cached_vega(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put a script as long as Vega's into the cache, so that none is made."""
    cache = tmp_path_factory.mktemp("cache")
    path = cache / "significand" / f"vega-{metadata.version('vl-convert-python')}.js"
    path.parent.mkdir()
    path.write_text("window.vegaEmbed = () => {}; //" + "x" * 900_000)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache))
        yield
