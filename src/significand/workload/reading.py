"""The data that a user's function gives, as plain arrays: arrays and tensors, or pairs of them one after the other."""

import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from significand.plan.problems import shown
from significand.workload.arrays import Arrays, Form
from significand.workload.examined import ProgramError
from significand.workload.guarded import described, message

MOST_EXAMPLES = 1_000_000
LONGEST_READING_S = 300.0
MOST_BYTES = 8_000_000_000
"""Where reading examples one by one ends, or what never ends would take all time or memory."""

Role = Literal["input", "target"]
ROLES: tuple[Role, Role] = ("input", "target")

PAIR = "a tuple (inputs, targets), examples first, or a Dataset of such tuples, is wanted; targets may be None"
ARRAYS = (np.ndarray, torch.Tensor)
NO_NUMBERS = {
    "O": "objects",
    "U": "text",
    "S": "text",
    "c": "complex numbers",
    "M": "dates",
    "m": "times",
    "V": "records",
}


def read_data(given: Any, where: str) -> tuple[Arrays, Arrays | None]:  # noqa: ANN401 - whatever the user gives
    """Return inputs and targets as numbers that a network takes.

    Floating-point numbers become float32; integers and truth values among the targets become int64.

    Parameters
    ----------
    given
        A tuple of two: arrays or tensors, or tuples or dicts of them. Or a data set of such tuples, or anything that
        gives them one after the other, as a list does.
    where
        The user's function, for messages.

    Raises
    ------
    ProgramError
        With a line for everything that is wrong.
    """
    pair = given if _is_pair(given) else _collected(given, where)
    problems = [
        f"{where}: {_ambiguous(role, value)}"
        for role, value, other in zip(ROLES, pair, reversed(pair), strict=True)
        if _is_ambiguous(value, other)
    ]
    if problems:
        raise ProgramError(problems)
    inputs, targets = (_arrays(value, role, where, problems) for role, value in zip(ROLES, pair, strict=True))
    lengths = {
        f"{role} {name!r} {len(array)}": len(array)
        for role, arrays in zip(ROLES, (inputs, targets), strict=True)
        for name, array in (arrays.by_name.items() if arrays else ())
    }
    if len(set(lengths.values())) > 1:
        told = f"{where} gives unequal numbers of examples: {', '.join(lengths)}"
        problems.append(f"{told}; the first axis of each is the examples")
    if inputs is None or problems:
        raise ProgramError(problems or [f"{where} gives no inputs; {PAIR}"])
    return inputs, targets


def read_file(path: Path) -> tuple[Arrays, Arrays | None]:
    """Return inputs and targets from a .npz file: ``X``, or arrays by the names of `forward`'s arguments, and ``y``.

    Raises
    ------
    ProgramError
        With a line for everything that is wrong.
    """
    try:
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):
                raise ValueError("it is no archive")  # noqa: TRY301 - told with the rest
            file = np.load(opened, allow_pickle=False)
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except Exception as error:  # noqa: BLE001 - zipfile and NumPy raise many kinds on a damaged file
        remedy = "save it with numpy.savez, arrays of numbers only"
        raise ProgramError([f"{str(path)!r} is not a readable .npz ({message(error)}); {remedy}"]) from None
    targets = arrays.pop("y", None)
    if not arrays:
        raise ProgramError([f"{str(path)!r} has no array but y; save inputs with it: numpy.savez(path, X=..., y=...)"])
    return read_data((arrays["X"] if list(arrays) == ["X"] else arrays, targets), repr(str(path)))


def _is_pair(given: object) -> bool:
    """Tell whether this is inputs and targets. A list of two is not: it may be two inputs, or two examples."""
    return isinstance(given, tuple) and len(given) == 2


def _is_ambiguous(value: object, other: object) -> bool:
    """Tell whether a list of arrays may be several inputs as well as one example each, given what stands beside it."""
    if not (isinstance(value, list) and value and all(isinstance(one, ARRAYS) and one.ndim for one in value)):
        return False
    lengths = {len(one) for one in value}
    return len(lengths) == 1 and (_count(other) != len(value) or lengths == {len(value)})


def _count(value: Any) -> int:  # noqa: ANN401
    """Return how many examples the first array has of what a user gives; 0 where that is no array."""
    while isinstance(value, tuple | Mapping) and value:
        value = next(iter(value.values() if isinstance(value, Mapping) else value))
    try:
        return len(value)
    except TypeError:
        return 0


def _ambiguous(role: str, value: Sequence[object]) -> str:
    n = len(value)
    remedy = f"a tuple of them is {n} {role}s of the network, and numpy.stack of them is {n} examples of one"
    return f"{role}s are a list of {n} arrays, which may mean two things: {remedy}"


def _as_tuples(given: Any) -> Any:  # noqa: ANN401
    """Return what a DataLoader gives as its data set gave it: to join examples, it makes lists of tuples."""
    return tuple(map(_as_tuples, given)) if isinstance(given, list) else given


def _arrays(value: Any, role: Role, where: str, problems: list[str]) -> Arrays | None:  # noqa: ANN401
    """Return the inputs or the targets, or what is wrong with each array of them in `problems`."""
    if value is None:
        return None
    try:
        leaves, form = _leaves(value, role)
    except ValueError as error:
        problems.append(f"{where}: {role}s {error}")
        return None
    by_name, wrong = {}, []
    for name, leaf in leaves.items():
        try:
            by_name[name] = _checked(_plain(_numbers(leaf), role))
        except ValueError as error:
            wrong.append(f"{where}: {role} {name!r} {error}" if form != "one" else f"{where}: {role}s {error}")
    problems += wrong
    return None if wrong else Arrays(by_name, form)


def _leaves(value: Any, role: Role) -> tuple[dict[str, Any], Form]:  # noqa: ANN401
    """Return the arrays in what a user gives, by name."""
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str) or not key.isidentifier()]:
            raise ValueError(f"have the key {shown(wrong[0])}; names of arguments are wanted")
        leaves, form = dict(value), "dict"
    elif isinstance(value, tuple):
        leaves, form = {f"{role}_{at}": one for at, one in enumerate(value)}, "tuple"
    else:
        return {role: value}, "one"
    if not leaves:
        raise ValueError(f"are an empty {form}; at least one array is wanted")
    return leaves, form  # type: ignore[return-value]  # one of the two


def _numbers(value: Any) -> NDArray[Any]:  # noqa: ANN401
    """Return an array of whatever holds numbers; raise ValueError, with a text to follow what it is, where none do."""
    try:
        if isinstance(value, torch.Tensor):
            tensor = value.detach().cpu()
            return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        if isinstance(value, list | tuple) and any(isinstance(one, torch.Tensor) for one in value):
            return np.stack([_numbers(one) for one in value])
        array = np.asarray(value)
    except Exception as error:  # noqa: BLE001 - the user's own class may raise anything
        raise ValueError(f"cannot be read as an array ({message(error)})") from None
    if np.ma.is_masked(value):
        raise ValueError("have masked values; fill them in")
    if array.dtype.kind not in "biuf":
        kind = NO_NUMBERS.get(array.dtype.kind, f"type {array.dtype}")
        is_array = isinstance(value, np.ndarray | list)
        raise ValueError(f"{f'hold {kind}' if is_array else f'are {described(value)}'}; numbers are wanted")
    return array


def _plain(array: NDArray[Any], role: Role) -> NDArray[Any]:
    """Return numbers in a type of the machine that networks take."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold is found to be infinite
            return np.asarray(array, np.float32, order="C")
    return np.asarray(array, np.int64 if role == "target" else array.dtype.newbyteorder("="), order="C")


def _checked(array: NDArray[Any]) -> NDArray[Any]:
    if not array.shape:
        raise ValueError("are a single number; the first axis is to be the examples")
    if array.size == 0:
        raise ValueError(f"are empty, of shape {array.shape}")
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        first = int(np.argwhere(~finite)[0][0])
        count = int(array.size - finite.sum())
        raise ValueError(f"hold {count} values that are NaN or infinite in float32, the first in example {first}")
    return array


def _collected(given: Any, where: str) -> tuple[Any, Any]:  # noqa: ANN401
    """Read a data set once, and stack what it gives."""
    is_other = isinstance(given, np.ndarray | torch.Tensor | Mapping | str | bytes | set | frozenset | tuple)
    is_sized = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    if is_other or not (is_sized or hasattr(given, "__iter__")):
        many = f" of {len(given)}" if isinstance(given, tuple) else ""
        raise ProgramError([f"{where} gives {described(given)}{many}; {PAIR}"])
    in_batches = isinstance(given, DataLoader) and given.batch_sampler is not None
    by_number = is_sized and not isinstance(given, DataLoader)
    items = (given[at] for at in range(len(given))) if by_number else iter(given)
    if isinstance(given, DataLoader):
        items = map(_as_tuples, items)
    columns: dict[Role, dict[str, list[NDArray[Any]]]] = {role: {} for role in ROLES}
    forms: dict[Role, Form] = {}
    count = 0
    for count, item in enumerate(_bounded(items, columns, where), 1):
        if not _is_pair(item):
            what = described(item) + (f" of {len(item)}" if isinstance(item, list) else "")
            wanted = "a tuple (input, target) is wanted"
            if isinstance(given, list):
                wanted += f"; where the list of {len(given)} is no data set, write (inputs, targets)"
            raise ProgramError([f"{where}: example {count - 1} is {what}; {wanted}"])
        for role, value in zip(ROLES, item, strict=True):
            try:
                leaves, forms[role] = _leaves(value, role) if value is not None else ({}, "one")
                for name, leaf in leaves.items():
                    columns[role].setdefault(name, []).append(_numbers(leaf))
            except ValueError as error:
                raise ProgramError([f"{where}: {role}s of example {count - 1} {error}"]) from None
    if not count:
        raise ProgramError([f"{where} gives {described(given)} without examples; {PAIR}"])
    inputs, targets = (_joined(columns[role], forms[role], count, role, where, in_batches) for role in ROLES)
    return inputs, targets


def _joined(
    columns: Mapping[str, list[NDArray[Any]]], form: Form, count: int, role: Role, where: str, in_batches: bool
) -> Any:  # noqa: ANN401 - the user's form
    """Return single examples as arrays of all of them."""
    if not columns:
        return None
    if any(len(column) != count for column in columns.values()):
        raise ProgramError([f"{where}: not all examples have the same {role}s; give each of them all"])
    join = np.concatenate if in_batches else np.stack
    try:
        return Arrays({name: join(column) for name, column in columns.items()}, form).as_given()
    except ValueError:
        shapes = sorted({one.shape[in_batches:] for column in columns.values() for one in column})
        differ = f"{where}: {role}s of the examples differ in shape, such as {shapes[0]} and {shapes[-1]}"
        raise ProgramError([f"{differ}; bring them to one"]) from None


def _bounded(
    items: Iterator[Any], columns: Mapping[Role, Mapping[str, list[NDArray[Any]]]], where: str
) -> Iterator[Any]:
    """Give the examples, up to a number, a time and a size that a mistake alone would pass."""
    end, size = time.monotonic() + LONGEST_READING_S, 0
    for count, item in enumerate(items):
        size += sum(column[-1].nbytes for part in columns.values() for column in part.values())
        limits = {
            f"{MOST_EXAMPLES} examples": count >= MOST_EXAMPLES,
            f"{LONGEST_READING_S:g} s": time.monotonic() > end,
            f"{MOST_BYTES / 1e9:g} GB": size > MOST_BYTES,
        }
        if passed := [limit for limit, is_passed in limits.items() if is_passed]:
            remedy = "give fewer, or arrays; an endless generator cannot be read"
            raise ProgramError([f"{where} has not ended after {passed[0]}; {remedy}"])
        yield item
