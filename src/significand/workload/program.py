"""A user's functions: found in a Python file, a module or a notebook by name, and called."""

import copy
import difflib
import functools
import inspect
import os
import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from significand.plan.problems import few, nearest
from significand.workload.arrays import called
from significand.workload.copies import shared_in_copies
from significand.workload.examined import NAMES, ProgramError
from significand.workload.guarded import blamed, calling, described, is_installed, is_library, tasks
from significand.workload.held import Held
from significand.workload.source import file_of, folder_of, module_of, working_folder

if TYPE_CHECKING:
    import torch
    from torch import nn

# torch takes a second to import, and whoever only loads functions may do without: it is imported where it computes.

MODEL = "model"
DATA = (["data"], ["train_data", "test_data"])
"""The functions of the data that may be there together."""

NO_CLASSES = ("loss", "score", "optimizer", "training_loss")
"""Functions of which a class would only make an object: ``loss = nn.CrossEntropyLoss`` lacks its parentheses."""

GUESSES = re.compile(r"model|net", re.IGNORECASE)
"""What a function that makes a network has in its name."""


@dataclass(frozen=True)
class Functions:
    """What a user has written; None is what has a default, or is not there.

    Attributes
    ----------
    source
        How the user names them, for messages.
    folder
        Where the user's own files are.
    file
        The very file; None where they come from elsewhere.
    unused
        Names in the file that look like misspelt ones of these, each with what is meant.
    threads
        Numbers of the threads that importing them has started.
    """

    source: str
    folder: Path | None
    model: Any
    data: Any = None
    train_data: Any = None
    test_data: Any = None
    loss: Any = None
    score: Any = None
    optimizer: Any = None
    training_loss: Any = None
    file: Path | None = None
    unused: tuple[tuple[str, str], ...] = ()
    threads: frozenset[int] = frozenset()


def load_functions(source: str, pickled: bytes | None = None) -> Functions:
    """Import what holds a user's functions.

    Parameters
    ----------
    source
        ``"cnn.py"``, ``"cnn.py:make"``, where another function than ``model`` gives the network,
        ``"package.module"``, ``"package.module:name"``, or a built-in network. Relative to the working directory.
    pickled
        A cloudpickle of the functions by name, of a notebook; then `source` only names them in messages, and modules
        beside the notebook are found in the working directory.

    Raises
    ------
    ProgramError
        Where there are none, naming what is there.
    """
    import torch  # noqa: F401, PLC0415 - what it starts is not the user's

    before = tasks()
    if pickled is not None:
        functions = _unpickled(source, pickled)
    else:
        module, name = module_of(source)
        functions = _functions(source, vars(module), name or MODEL, file_of(module), folder_of(module))
    return replace(functions, threads=frozenset(tasks() - before))


def own_files(functions: Functions) -> list[Held]:
    """Return the user's file and what was imported from below its folder, by relative path, as they are now."""
    folder = functions.folder
    if folder is None:
        return []
    loaded: list[object] = list(sys.modules.values())  # anybody may have put anything there
    below = {file for file in _files_of(loaded) if file.is_relative_to(folder) and not _is_elses(file, folder)}
    files = below | ({functions.file} if functions.file else set())
    return [Held.of(file.relative_to(folder).as_posix(), file) for file in sorted(files) if file.is_file()]


def new_network(functions: Functions, options: Mapping[str, object], seed: int) -> "nn.Module":
    """Return a new network with the weights that `seed` decides.

    The global generators are seeded for it, and then as they were.

    Raises
    ------
    ProgramError
        Where ``model`` raises, or gives no module, or one that is not on the CPU and in float32.
    """
    import torch  # noqa: PLC0415 - see above
    from torch import nn  # noqa: PLC0415

    make = functions.model
    is_object = isinstance(make, nn.Module)
    _check_options(make, options, is_object=is_object)
    with seeded(seed), calling("model()", functions.folder):
        network = copy.deepcopy(make, shared_in_copies(make)) if is_object else make(**options)
        if not isinstance(network, nn.Module):
            raise ProgramError([f"model() gives {described(network)}; a torch.nn.Module is wanted"])
        if isinstance(network, torch.jit.ScriptModule) or hasattr(network, "_orig_mod"):
            raise ProgramError(["model() gives a compiled network; return it without torch.jit and torch.compile"])
        _check_weights(network)  # what it asks of the user's network may raise, too
    return network


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python, and set them back afterwards."""
    import torch  # noqa: PLC0415 - see above

    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - the user's may be global
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])


def scored(functions: Functions, outputs: Any, targets: Any) -> NDArray[np.float64]:  # noqa: ANN401 - the user's form
    """Return a value for each example, higher is better; or of a user's function one for all of them, shape ().

    By default right or wrong for integer targets, of several positions their mean; for real ones 1 - squared error /
    mean squared deviation of these targets from their mean, so that the mean over the examples is R².

    Raises
    ------
    ProgramError
        Where outputs and targets do not fit, or what ``score`` gives is no score.
    """
    import torch  # noqa: PLC0415 - see above

    from significand.workload.judge import default_score, score_values  # noqa: PLC0415 - see above
    from significand.workload.trees import leaves  # noqa: PLC0415 - see above

    if functions.score is None:
        return default_score(outputs, targets)
    with torch.no_grad(), calling("score()", functions.folder):
        return score_values(functions.score(outputs, targets), len(leaves(targets)[0]))


def training_loss(functions: Functions, network: "nn.Module", inputs: Any, targets: Any) -> "torch.Tensor":  # noqa: ANN401
    """Return the loss of a batch. Under autocast, the loss is taken outside it, and of outputs in float32 at least.

    A RuntimeError of the network or a user's function goes on as it is: some have a remedy that the caller knows.

    Raises
    ------
    ProgramError
        For anything else that is raised, even where it means to end Python.
    """
    import torch  # noqa: PLC0415 - see above

    from significand.workload.judge import default_loss, in_full  # noqa: PLC0415 - see above

    loss = functions.loss or default_loss
    try:
        if functions.training_loss is not None:
            return functions.training_loss(network, inputs, targets)  # type: ignore[no-any-return]
        outputs = called(network, inputs)
        if not torch.is_autocast_enabled("cpu"):
            return loss(outputs, targets)
        with torch.autocast("cpu", enabled=False):
            return loss(in_full(outputs), targets)
    except (RuntimeError, MemoryError, ProgramError):
        raise
    except BaseException as error:  # noqa: BLE001 - sys.exit and KeyboardInterrupt, too
        raise blamed(error, "the training step", functions.folder) from None


def _files_of(loaded: Iterable[object]) -> set[Path]:
    """Return the files of modules; each folder is looked up once, of which there are far fewer."""
    real = functools.cache(os.path.realpath)
    modules = [one for one in loaded if isinstance(one, ModuleType)]
    named = {file for one in modules if isinstance(file := getattr(one, "__file__", None), str)}
    files = {Path(real(os.path.dirname(file)), os.path.basename(file)) for file in named}  # noqa: PTH119, PTH120 - quick
    return {file.resolve() if file.is_symlink() else file for file in files}


def _is_elses(file: Path, folder: Path) -> bool:
    """Tell whether a file below the user's folder is installed there, or is in a virtual environment."""
    if is_installed(folder):  # the user's package itself, or a module that lies among all the others
        return is_library(folder)
    between = [one for one in file.parents if one.is_relative_to(folder) and one != folder]
    return is_installed(file) or any((one / "pyvenv.cfg").exists() for one in between)


def _unpickled(source: str, pickled: bytes) -> Functions:
    here = working_folder()
    with calling(f"unpickling {source}", here):
        import cloudpickle  # noqa: PLC0415 - only functions of a notebook need it

        found = cloudpickle.loads(pickled)
    if not isinstance(found, dict):
        raise ProgramError([f"{source}: {described(found)} was pickled; a dict of functions by name is wanted"])
    return _functions(source, found, MODEL, None, here)


def _functions(source: str, found: Mapping[str, Any], model: str, file: Path | None, folder: Path | None) -> Functions:
    """Pick the functions out of a module's names, and refuse what cannot be one."""
    # `from torch.utils import data` is no function of the user's.
    values: dict[str, Any] = {name: found.get(model if name == MODEL else name) for name in NAMES}
    values = {name: None if isinstance(value, ModuleType) else value for name, value in values.items()}
    problems = [
        f"{source}: {model if name == MODEL else name} is {described(value)}; a function is wanted"
        for name, value in values.items()
        if value is not None and not callable(value)
    ]
    problems += [
        f"{source}: {name} is the class {value.__name__}; a function, or an object that can be called, is wanted"
        for name, value in values.items()
        if name in NO_CLASSES and inspect.isclass(value)
    ]
    if values[MODEL] is None:
        problems.append(_no_model(source, model, found))
    given = [name for name in ("data", "train_data", "test_data") if values[name] is not None]
    if given and given not in DATA:
        told = " and ".join(f"{name}()" for name in given)
        problems.append(f"{source}: {told} of the data; data() alone, or train_data() and test_data(), are wanted")
    if problems:
        raise ProgramError(problems)
    return Functions(source, folder, **values, file=file, unused=_misspelt(found))


def _no_model(source: str, model: str, found: Mapping[str, Any]) -> str:
    place = source.removesuffix(f":{model}")
    own = [name for name, value in found.items() if _is_written_here(value, found)]
    by_name = difflib.get_close_matches(model.lower(), {name.lower() for name in own}, n=1)
    close = [name for name in own if name.lower() in by_name or (model == MODEL and GUESSES.search(name))]
    hint = f" (did you mean {' or '.join(f'{place}:{name}' for name in close[:3])}?)" if close else ""
    return f"{place}: has no {model}(){hint}; write `def {model}():` that returns a torch.nn.Module"


def _misspelt(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    own = [name for name, value in found.items() if name not in NAMES and _is_written_here(value, found)]
    meant = {name: difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.8) for name in own}
    return tuple((name, close[0]) for name, close in meant.items() if close and found.get(close[0]) is None)


def _is_written_here(value: object, found: Mapping[str, Any]) -> bool:
    """Tell functions and classes of a module from what it imports."""
    is_kind = inspect.isfunction(value) or inspect.isclass(value)
    return is_kind and getattr(value, "__module__", None) == found.get("__name__")


def _check_options(make: Any, options: Mapping[str, object], *, is_object: bool) -> None:  # noqa: ANN401
    """Raise where the user's function cannot be called with these keywords, in the words of the command line."""
    if is_object and options:
        raise ProgramError([f"model is a network already and takes no {', '.join(options)}; make it a function"])
    try:
        parameters = inspect.signature(make).parameters.values() if not is_object else ()
    except (TypeError, ValueError):  # written in C, or hostile: the call itself will tell
        return
    kinds = {one.kind for one in parameters}
    taken = [one.name for one in parameters if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}]
    needed = [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL}
    ]
    problems = [
        f"model() takes no {name!r}{nearest(name, taken)}; it takes {', '.join(taken) or 'nothing'}"
        for name in options
        if name not in taken and inspect.Parameter.VAR_KEYWORD not in kinds
    ]
    problems += [
        f"model() needs {name!r}; set it (--set {name}=...) or give it a default"
        for name in needed
        if name not in options
    ]
    if problems:
        raise ProgramError(problems)


def _check_weights(network: "nn.Module") -> None:
    import torch  # noqa: PLC0415 - see above
    from torch.nn.parameter import is_lazy  # noqa: PLC0415

    named = [*network.named_parameters(), *network.named_buffers()]
    if lazy := [name for name, one in named if is_lazy(one)]:
        remedy = "call the network on a batch inside model() before it is returned"
        raise ProgramError([f"model() gives a network whose {lazy[0]} has no shape yet; {remedy}"])
    problems = [
        f"model() puts {name} on {one.device}; leave it on the CPU, and the device to significand"
        for name, one in named
        if one.device.type != "cpu"
    ]
    problems += [
        f"model() has {name} in {one.dtype}; return its network.float(), and leave the precision to significand"
        for name, one in named
        if one.is_floating_point() and one.dtype != torch.float32
    ]
    if problems:
        raise ProgramError(few(problems))
