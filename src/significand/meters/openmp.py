"""What OpenMP runtimes make of the environment: the CPUs that they take from this process, the variables they obey.

GNU's runtime, which torch brings along, binds the thread that loads it where the environment asks for bound threads:
to one CPU, as soon as torch is imported. Whoever looks at the process's affinity after that sees one CPU, and every
process that it starts has one. What counts is what there was before.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIXES = ("OMP_", "GOMP_", "KMP_")
OTHERS = frozenset(
    {
        "BLIS_NUM_THREADS",
        "GOTO_NUM_THREADS",
        "GOTOBLAS_MAIN_FREE",
        "MKL_DOMAIN_NUM_THREADS",
        "MKL_DYNAMIC",
        "MKL_NUM_THREADS",
        "MP_BIND",
        "MP_BLIST",
        "OPENBLAS_DEFAULT_NUM_THREADS",
        "OPENBLAS_MAIN_FREE",
        "OPENBLAS_NUM_THREADS",
    }
)
"""Variables of libraries that compute on threads which OpenMP does not manage, or that begin otherwise."""

NEEDED = frozenset({"OMP_STACKSIZE", "GOMP_STACKSIZE", "KMP_STACKSIZE", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"})
"""Variables without which some installation of torch would crash; they neither bind threads nor count them."""

GNU = ("libgomp",)
INTEL_AND_LLVM = ("libiomp5", "libomp")


def _affinity(pid: int = 0) -> frozenset[int]:
    """Return the CPUs of the calling thread, or of another process."""
    with contextlib.suppress(AttributeError, OSError):  # not on this system, or the process has ended
        return frozenset(os.sched_getaffinity(pid))
    return frozenset(range(os.cpu_count() or 1))


AT_IMPORT = _affinity()
"""The CPUs of the thread that imported significand: `significand` imports this module first of all."""


def thread_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what an environment says about threads of numerical libraries: number, binding, limits, waiting."""
    return {
        name: environment[name]
        for name in sorted(environment)
        if environment[name] and name not in NEEDED and (name.startswith(PREFIXES) or name in OTHERS)
    }


def overridden(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that the runs' processes are started without and miss, as text that can be written anywhere.

    One that says "false" asks for what happens anyway.
    """
    found = thread_variables(os.environ if environment is None else environment)
    return {_readable(name): _readable(value) for name, value in found.items() if value.lower() != "false"}


def told_of_runs() -> str:
    """Say what the runs' processes are started without; nothing where that is nothing."""
    words = _listed()
    return words and f"the runs are started without {words}; the option threads says how many threads they have"


def told_of_this_process() -> str:
    """Say what bears on a run inside this process, which has loaded its OpenMP runtime; nothing where nothing does."""
    words = _listed()
    return words and (
        f"measured in a process with {words}, which torch obeys but for the number of threads and, in measured steps, "
        "their CPUs; unset them before Python starts, or measure with run_repeated_benchmarks"
    )


def _listed() -> str:
    return ", ".join(f"{name}={value}" for name, value in overridden().items())


def usable_cpus(maps: Path = Path("/proc/self/maps")) -> frozenset[int]:
    """Return the logical CPUs that this process may use, whatever an OpenMP runtime in it has bound itself to.

    A limit that somebody set, with taskset for instance, stays one. GNU's runtime remembers how many CPUs there were
    before it bound the thread; which ones they were is what fits that number. Where nothing does (the user's program
    imported torch before significand, and the environment lists CPUs one by one) it is the CPUs of this thread.

    Parameters
    ----------
    maps
        What is mapped into this process, as proc(5) describes it.
    """
    now = _affinity()
    if len(now) == os.cpu_count():
        return now
    bindings = [binding for library in _loaded(maps, GNU) if now in (binding := _binding(library)).places]
    if bindings:  # the one that was there first had the most
        binding = max(bindings, key=lambda binding: binding.cpus_before)
        known = (AT_IMPORT, now.union(*binding.places), _affinity(os.getppid()), range(os.cpu_count() or 1))
        return next((frozenset(cpus) for cpus in known if len(cpus) == binding.cpus_before), now)
    if thread_variables(os.environ) and any(_loaded(maps, INTEL_AND_LLVM)):
        return now.union(AT_IMPORT, _of_all_threads())
    return now


@contextlib.contextmanager
def unbound() -> Iterator[None]:
    """Let the calling thread, and threads begun in the block, use all of `usable_cpus`."""
    before, cpus = _affinity(), usable_cpus()
    if before == cpus:
        yield
        return
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _readable(text: str) -> str:
    return os.fsencode(text).decode("utf-8", errors="replace")


def _loaded(maps: Path, names: tuple[str, ...]) -> list[str]:
    """Return the paths of this process's shared libraries whose file names begin so, each once."""
    try:
        lines = maps.read_bytes().splitlines()
    except OSError:
        return []
    paths = {os.fsdecode(words[5]) for line in lines if len(words := line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if Path(path).name.startswith(names))


@dataclass(frozen=True)
class _Binding:
    """What a loaded runtime binds threads to, place by place, and how many CPUs there were when it was loaded."""

    places: tuple[frozenset[int], ...] = ()
    cpus_before: int = 0


def _binding(library: str) -> _Binding:
    """Ask a loaded runtime for its places (OpenMP API, "OMP_PLACES"); there are none where it does not bind."""
    import ctypes  # noqa: PLC0415 - `import significand` costs nothing

    try:
        # Not loaded anew: that would bind this thread.
        openmp = ctypes.CDLL(library, mode=os.RTLD_NOLOAD)
        sizes = [openmp.omp_get_place_num_procs(place) for place in range(openmp.omp_get_num_places())]
        cpus = [(ctypes.c_int * size)() for size in sizes]
        for place, ids in enumerate(cpus):
            openmp.omp_get_place_proc_ids(place, ids)
        return _Binding(tuple(map(frozenset, cpus)), openmp.omp_get_num_procs())
    except (OSError, AttributeError):  # replaced on the disk meanwhile, or older than OpenMP 4.5
        return _Binding()


def _of_all_threads() -> Iterable[int]:
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - names, not paths
        with contextlib.suppress(OSError):  # it has just ended
            yield from os.sched_getaffinity(int(task))
