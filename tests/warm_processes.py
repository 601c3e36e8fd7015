"""Python processes that begin warm: forked from one that has imported what they would import, instead of started cold.

Importing torch takes seconds, and an experiment starts three or four processes that do. Where it is not their start
that a test is about, the fixture `warm`, or `warm_test` of a single one, has `subprocess` take them from here. They are
processes like others: children of whoever starts them, with their own streams, environment, working directory, session,
signals and command line. What an interpreter looks at only when it starts, such as a variable of OpenMP or a flag,
makes it start cold as ever.
"""

import atexit
import builtins
import contextlib
import ctypes
import fcntl
import gc
import importlib
import inspect
import logging
import multiprocessing.util
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never, Self

from quick_export import remember_operators
from significand.engines.base import get_engine

IMPORTED = (
    "significand.cli.run_commands",
    "significand.job",
    "significand.runner.forkserver",
    "significand.runner.examiner",
    "significand.runner.task",
    "significand.workload.export",
    "significand.workload.mlp",
    "significand.workload.onnx_file",
    "altair",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "scipy.stats",
    "torch._dynamo",
)
"""Nothing among them starts a thread, which a fork would lose; Polars would."""

PRELOADED = (("openvino", "float32"), ("onnxruntime", "int4"), ("torch", "int8-dynamic"))
"""Engines, and modes that they import something for."""

OF_FORKSERVERS = {"OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "50000"}
LOOKED_AT_ONCE = ("PYTHON", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "LD_", "MALLOC_")
"""Beginnings of variables that are looked at when a process starts."""

HEEDED = {"PYTHONPATH", "PYTHONUNBUFFERED", "OMP_NUM_THREADS", *OF_FORKSERVERS}
"""Variables of that kind that are heeded here, or had their effect already."""

OWN_NURSERY = "SIGNIFICAND_TESTS_NURSERY"
"""A variable that gives a process one of its own: for one that will have threads, which a fork would lose."""

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
MOST_BYTES = 200_000
MOST_FILES = 32
ASIDE = 100
"""Numbers of files from here on are what no process asks for."""

SERVE = "import sys; from warm_processes import serve; serve(int(sys.argv[1]))"
COLD = subprocess.Popen
PYTHON = sys.executable
PATH = [folder for folder in sys.path if folder and Path(folder).resolve() != Path(__file__).resolve().parent]

_nursery: "Nursery | None" = None
_is_warm = False
_kept: list[object] = []
"""Streams of the process that was forked, with what they have still to write: that is its own business."""


class ColdError(Exception):
    """The process has to be started as always."""


@dataclass(frozen=True)
class Request:
    """A process that is asked for; `files` are the numbers that its files are to have."""

    args: Sequence[str]
    environment: Mapping[str, str]
    cwd: str
    new_session: bool
    files: Sequence[int]


@contextlib.contextmanager
def started_cold() -> Iterator[None]:
    """Have `subprocess` start everything as ever in the block."""
    before, subprocess.Popen = subprocess.Popen, COLD  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = before  # type: ignore[misc]


class Nursery:
    """The process that has imported everything, seen from here; use it as a context."""

    def __init__(self) -> None:
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()

    @classmethod
    def forked(cls) -> Self:
        """Return one of this process, which is warm, for when it will have threads."""
        nursery = cls()
        if os.fork() == 0:
            nursery._socket.close()
            try:
                _fork_what_is_asked_for(nursery._theirs)
            finally:
                os._exit(1)
        nursery._theirs.close()
        return nursery

    def __enter__(self) -> Self:
        room = 4000 * " "  # for the command lines of those that are forked
        with self._theirs:
            self._process = subprocess.Popen(
                [PYTHON, "-c", SERVE, str(self._theirs.fileno()), room],
                pass_fds=[self._theirs.fileno()],
                cwd=Path(__file__).parent,
                env=os.environ | OF_FORKSERVERS,
                stdin=subprocess.DEVNULL,
            )
        assert self._socket.recv(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.wait()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Have `subprocess` start Python from here in the block."""
        global _nursery
        before = _nursery, subprocess.Popen
        _nursery, subprocess.Popen = self, WarmPopen  # type: ignore[misc]
        try:
            yield
        finally:
            _nursery, subprocess.Popen = before  # type: ignore[misc]

    def fork(self, request: Request, files: Sequence[int]) -> int:
        """Return the number of a process that is a child of this one."""
        message = pickle.dumps(request)
        if len(message) > MOST_BYTES:
            raise ColdError
        prctl = ctypes.CDLL(None).prctl
        with self._lock:
            # A process whose parent ends becomes the child of its nearest ancestor that has asked for such.
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            try:
                socket.send_fds(self._socket, [message], files)
                return int(self._socket.recv(100))
            finally:
                prctl(PR_SET_CHILD_SUBREAPER, 0)


class WarmPopen(subprocess.Popen):  # type: ignore[type-arg]
    """Starts Python warm where that makes no difference, and everything else as ever."""

    def _execute_child(self, *words: Any) -> None:  # noqa: ANN401 - handed on
        start = super()._execute_child  # type: ignore[misc]
        given = inspect.signature(start).bind(*words).arguments
        try:
            self.pid = _forked(given)
        except ColdError:
            start(*words)
            return
        self._child_created = True
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[name] for name in ends))  # type: ignore[attr-defined]


def _forked(given: Mapping[str, Any]) -> int:
    """Fork the process that `subprocess` is asked for; return its number."""
    streams = {0: given["p2cread"], 1: given["c2pwrite"], 2: given["errwrite"]}
    files = {number: number if end == -1 else end for number, end in streams.items()}
    files = {number: end for number, end in files.items() if _is_open(end)} | {end: end for end in given["pass_fds"]}
    environment = os.environ if given["env"] is None else given["env"]
    request = Request(_words(given), dict(environment), _cwd(given), given["start_new_session"], [*files])
    if not _can_be_warm(request) or not (_nursery or _is_warm):
        raise ColdError
    if _nursery:
        return _nursery.fork(request, [*files.values()])
    pid = os.fork()
    if pid == 0:
        _tidy_up_nothing()
        _become(request, [*files.values()])
    return pid


def _tidy_up_nothing() -> None:
    """Forget what this process is to tidy up when it ends: a fork would copy pages by the thousand for it."""
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    # For what a fork itself will have to tidy up: these modules register once.
    for tidy_up in (logging.shutdown, multiprocessing.util._exit_function, weakref.finalize._exitfunc):  # type: ignore[attr-defined]
        atexit.register(tidy_up)


def _words(given: Mapping[str, Any]) -> list[str]:
    args = given["args"]
    unusual = given["shell"] or given["preexec_fn"] or given["executable"] or given["process_group"] not in {-1, None}
    if unusual or isinstance(args, str | bytes) or not args or os.fspath(args[0]) != PYTHON:
        raise ColdError
    return [os.fsdecode(word) for word in args]


def _cwd(given: Mapping[str, Any]) -> str:
    try:
        return os.fsdecode(given["cwd"] or os.getcwd())  # noqa: PTH109 - a text
    except OSError as error:
        raise ColdError from error


def _can_be_warm(request: Request) -> bool:
    """Tell whether nothing is asked for that an interpreter looks at only when it starts, and no other significand."""
    first = [*request.args, ""][1]
    variables = {name for name in request.environment if name.startswith(LOOKED_AT_ONCE)} - HEEDED
    named = map(Path, request.environment.get("PYTHONPATH", "").split(os.pathsep))
    return (
        (first in {"-P", "-c", "-m"} or first.endswith(".py"))
        and all(request.environment[name] == os.environ.get(name) for name in variables)
        and not any([*folder.glob("significand"), *folder.glob("significand-0*")] for folder in named)
        and Path(request.cwd).is_dir()
    )


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def serve(connection: int) -> Never:
    """Import everything, then fork what is asked for until nobody is there to ask."""
    global _is_warm
    asked = socket.socket(fileno=connection)
    for name in IMPORTED:
        importlib.import_module(name)
    remember_operators(at_once=True)
    for engine, mode in PRELOADED:
        get_engine(engine).preload(types.SimpleNamespace(precision=mode))  # type: ignore[arg-type]
    _is_warm, subprocess.Popen = True, WarmPopen  # type: ignore[misc]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for whoever asks
    _tidy_up_nothing()
    gc.collect()
    gc.freeze()
    asked.send(b".")
    _fork_what_is_asked_for(asked)


def _fork_what_is_asked_for(asked: socket.socket) -> Never:
    while True:
        message, files, _, _ = socket.recv_fds(asked, MOST_BYTES, MOST_FILES)
        if not message:
            os._exit(0)
        asked.send(_fork_an_orphan(pickle.loads(message), files, asked))  # noqa: S301 - our own
        for file in files:
            os.close(file)


def _fork_an_orphan(request: Request, files: Sequence[int], asked: socket.socket) -> bytes:
    """Return the number of a process whose parent has ended."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        between = os.getpid()
        pid = os.fork()
        if pid == 0:
            asked.close()
            while os.getppid() == between:
                time.sleep(0.0005)
            _become(request, files)
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.waitpid(between, 0)
    with open(reader, "rb") as told, open(writer, "wb"):  # noqa: PTH123 - numbers of files
        return told.read1()


def _become(request: Request, files: Sequence[int]) -> Never:
    """Be the process that was asked for."""
    global _nursery  # noqa: PLW0603
    status = 1
    try:
        if request.new_session:
            os.setsid()
        _take_files(request.files, files)
        _take_surroundings(request)
        _take_command_line(request.args)
        if os.environ.pop(OWN_NURSERY, ""):
            _nursery = Nursery.forked()
        status = _run(request.args)
    except BaseException:  # noqa: BLE001 - it must not go on as what it was forked from
        traceback.print_exc()
    finally:
        os._exit(status)


def _take_files(numbers: Sequence[int], files: Sequence[int]) -> None:
    """Have the files under the numbers asked for, and no others."""
    aside = [fcntl.fcntl(file, fcntl.F_DUPFD, ASIDE) for file in files]
    for file, number in zip(aside, numbers, strict=True):
        os.dup2(file, number)
    low = 0
    for number in sorted({*numbers, os.sysconf("SC_OPEN_MAX")}):
        if low < number:  # to os.closerange an empty range from 0 is all files
            os.closerange(low, number)
        low = number + 1
    _kept.extend([sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(number: int) -> Any:  # noqa: ANN401 - None where it is closed, as Python has it
    if not _is_open(number):
        return None
    by_line = number == 2 or os.isatty(number) or bool(os.environ.get("PYTHONUNBUFFERED"))
    errors = "backslashreplace" if number == 2 else "strict"
    return open(number, "w" if number else "r", 1 if by_line else -1, "utf-8", errors, closefd=False)


def _take_surroundings(request: Request) -> None:
    """Have the working directory, the environment and the signals of a new process."""
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    tempfile.tempdir = None
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if threads := os.environ.get("OMP_NUM_THREADS"):
        sys.modules["torch"].set_num_threads(int(threads))
    importlib.invalidate_caches()


def _take_command_line(args: Sequence[str]) -> None:
    """Have the command line that the system tells; its beginning where there is no room for more."""
    fields = Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
    words = b"\0".join(map(os.fsencode, args))[: end - begin - 1]
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, words, len(words))


def _run(args: Sequence[str]) -> int:
    """Do what the command line says, as Python does; return the exit status."""
    status = 0
    try:
        _run_main(args)
    except SystemExit as end:
        status = _status_of(end.code)
    except BaseException as error:  # noqa: BLE001 - as Python
        status = 1
        traceback.print_exception(error)
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    threading._shutdown()  # type: ignore[attr-defined]  # it waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    return status


def _run_main(args: Sequence[str]) -> None:
    is_safe = args[1] == "-P"
    kind, *words = args[2:] if is_safe else args[1:]
    main = types.ModuleType("__main__")
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main
    named = [str(Path(one).absolute()) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    own = {"-c": "", "-m": str(Path.cwd())}.get(kind, str(Path(kind).resolve().parent))
    sys.path[:] = [*([] if is_safe else [own]), *named, *PATH]
    sys.orig_argv = list(args)
    if kind == "-c":
        code, *words = words
        sys.argv = ["-c", *words]
        exec(compile(code, "<string>", "exec"), vars(main))  # noqa: S102 - that is what it is
    elif kind == "-m":
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *words]
        main.__file__ = kind
        exec(compile(Path(kind).read_bytes(), kind, "exec"), vars(main))  # noqa: S102


def _status_of(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)  # noqa: T201 - as Python
    return 1
