"""A user's functions tried on a batch, before anything long begins: what they are, or what is wrong with them."""

import contextlib
import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree

from significand.workload.arrays import Arrays, called
from significand.workload.copies import shared_in_copies
from significand.workload.examined import Examined, ProgramError, Signature
from significand.workload.extremes import extremes, extremes_first
from significand.workload.guarded import calling, described, tasks
from significand.workload.judge import default_loss, fitting, form_of
from significand.workload.program import Functions, new_network, scored, seeded
from significand.workload.reading import read_data
from significand.workload.trees import leaves

Data = tuple[Arrays, Arrays | None]
"""Inputs and targets."""

FORM = "outputs.pkl"
"""What an examination keeps of the form in which a network gives its outputs, for the user's score."""

SEED_OF_DATA = 0
"""Data are the same whatever the seed of the experiment; its splits are not."""

FEWEST, MOST = 4, 256
"""Examples of the batch that is tried: of one, no order can be wrong; some scores want every class to be there."""

LONGEST_FORWARD_S = 1.0
"""Of a batch that is tried."""

LONGEST_TIMED_S = 0.1
"""After which a forward is not timed again, once it was twice."""


def read_examples(functions: Functions) -> tuple[Data, Data | None]:
    """Return what the user's functions of the data give: inputs and targets, and those held out unless we split.

    Raises
    ------
    ProgramError
        Where there are none, or anything in them cannot be taken.
    """
    if functions.data is None and functions.train_data is None:
        wanted = "write data(), or train_data() and test_data(), that return (inputs, targets)"
        raise ProgramError([f"{functions.source}: has no data(); {wanted}"])
    if functions.data is not None:
        data = _read(functions, "data")
        if len(data[0]) < 2:
            raise ProgramError(["data() gives 1 example; at least 2 are needed, one to train on and one to judge by"])
        return data, None
    train, test = _read(functions, "train_data"), _read(functions, "test_data")
    for role, ours, others in zip(("inputs", "targets"), train, test, strict=True):
        there, here = (_shown(_signature(arrays)) if arrays else "that are None" for arrays in (others, ours))
        if there != here:
            raise ProgramError([f"test_data() gives {role} {there}, and train_data() {here}; make them alike"])
    return train, test


def examine(
    functions: Functions,
    options: Mapping[str, object],
    folder: Path,
    seed: int,
    batch_size: int,
    epochs: int,
    on_file_data: Data | None = None,
    doing: Callable[[str], None] = lambda _: None,
) -> Examined:
    """Call everything that a run will call, on a batch, and save the data as arrays.

    Parameters
    ----------
    functions, options, seed
        The user's, what ``model`` is called with, and what decides its weights.
    folder
        Where ``train-inputs``, ``train-targets``, ``test-inputs`` and ``test-targets`` are saved; those there are.
    batch_size, epochs
        Of the training; without epochs, or targets, none is tried.
    on_file_data
        Examples to take instead of the user's functions', to be split by us.
    doing
        Told what is about to be called.

    Raises
    ------
    ProgramError
        With a line for each mistake.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _Examination(functions, options, seed, doing).result(folder, batch_size, epochs, on_file_data)
    finally:
        torch.set_num_threads(threads)


class _Examination:
    """One pass over the user's functions; mistakes are gathered, as far as one can go on after them."""

    def __init__(
        self, functions: Functions, options: Mapping[str, object], seed: int, doing: Callable[[str], None]
    ) -> None:
        self._functions = functions
        self._options = options
        self._seed = seed
        self._doing = doing
        self._problems: list[str] = []
        self._trace = ""
        self._notes = [
            f"{functions.source}: {name} is not used; did you mean {meant}()?" for name, meant in functions.unused
        ]

    def result(self, folder: Path, batch_size: int, epochs: int, on_file_data: Data | None) -> Examined:
        before = tasks()
        with self._step("model()"):
            network = _built_twice(self._functions, self._options, self._seed)
            weights = weights_sha256(network)
        threads = self._functions.threads | (tasks() - before)
        with self._step("data()"):
            train, test = (on_file_data, None) if on_file_data else read_examples(self._functions)
            digest = _saved(folder, train, test)
        self._raise_problems()
        before = tasks()  # the runs read what is saved, and never call data()

        with self._step("the forward of model()"):
            forward_s = self._timed(network, _tensors(train, np.arange(1))[0])
            rows = _rows(train, batch_size, forward_s)
            inputs, targets = _tensors(train, rows)
            outputs = self._outputs(network, inputs, len(rows))
            if test:
                others = extremes(test[0])
                self._outputs(network, _tensors(test, others)[0], len(others))
            (folder / FORM).write_bytes(form_of(outputs))
        self._raise_problems()
        trains = epochs > 0 and targets is not None
        if epochs and not trains:
            self._notes.append("there are no targets: the network is not trained, only inferred")
        with self._step("score()"):
            kind, per_example = self._score(outputs, targets)
        suit = False
        with self._step("the targets"):
            all_targets = [part[1] for part in (train, test) if part and part[1]]
            classes = self._classes(outputs, targets, all_targets, trains)
            suit = True
        threads |= tasks() - before
        if trains and suit:
            with self._step("the training step"):
                self._train(network, *_tensors(train, rows[:batch_size]))
                copy.deepcopy(network, shared_in_copies(network))  # as training, and what writes it, will do
        self._raise_problems()
        not_alone = self._why_not_alone(network, *_tensors(train, rows[:1])) if trains else ""
        return Examined(
            inputs=_signature(train[0]),
            targets=_signature(train[1]) if train[1] else None,
            outputs=tuple((tuple(one.shape[1:]), _name(one.dtype)) for one in leaves(outputs)),
            n_train=len(train[0]),
            n_test=len(test[0]) if test else None,
            score=kind,
            per_example=per_example,
            classes=classes if kind == "accuracy" else None,
            parameters=sum(one.numel() for one in network.parameters()),
            size_mb=sum(one.nbytes for one in [*network.parameters(), *network.buffers()]) / 1e6,
            forward_s=forward_s,
            threads_started=bool(threads & tasks()),
            data_sha256=digest,
            weights_sha256=weights,
            notes=tuple(self._notes),
            not_alone=not_alone,
        )

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[None]:
        self._doing(what)
        try:
            with calling(what, self._functions.folder):  # what is only asked of the user's objects may raise, too
                yield
        except ProgramError as error:
            self._problems += error.problems
            self._trace = self._trace or error.trace

    def _raise_problems(self) -> None:
        if self._problems:
            raise ProgramError(dict.fromkeys(self._problems), self._trace)

    def _timed(self, network: nn.Module, inputs: Any) -> float:  # noqa: ANN401 - the user's form
        """Return the seconds of a forward of one example, the shortest of a few; the first is to warm up."""
        results: list[Any] = []
        times: list[float] = []
        end = time.perf_counter() + LONGEST_TIMED_S
        while len(times) < 2 or (len(times) < 5 and time.perf_counter() < end):
            start = time.perf_counter_ns()
            results.append(self._outputs(network, inputs, 1))
            times.append((time.perf_counter_ns() - start) / 1e9)
        first, last = leaves(results[0]), leaves(results[-1])
        if not all(one.shape == other.shape and _same(one, other) for one, other in zip(first, last, strict=True)):
            self._notes.append("the network gives other outputs each time, in evaluation mode too: it draws at random")
        return min(times)

    def _outputs(self, network: nn.Module, inputs: Any, examples: int) -> Any:  # noqa: ANN401
        network.eval()
        given = _pytree.tree_map(torch.clone, inputs)
        what = f"the forward of model() on {_told(inputs)}"
        with torch.no_grad(), calling(what, self._functions.folder):
            outputs = called(network, given)
        if not all(map(_same, leaves(given), leaves(inputs))):
            remedy = "every call is to find the same: write x = x + 1, not x += 1"
            raise ProgramError([f"the forward of model() changes its inputs in place; {remedy}"])
        _check_outputs(outputs, examples)
        return outputs

    def _score(self, outputs: Any, targets: Any) -> tuple[str, bool]:  # noqa: ANN401
        """Return what kind of score there is, and whether it has a value for each example."""
        if targets is None:
            return "none", True
        if self._functions.score is None:
            _, target = fitting(outputs, targets, "score")
            return "R²" if target.is_floating_point() else "accuracy", True
        values = scored(self._functions, outputs, targets)
        if not values.shape:
            self._notes.append("score() gives one number for all examples: nothing can be paired by example")
            return "score", False
        turned = scored(self._functions, _reversed(outputs), _reversed(targets))
        if not np.allclose(turned[::-1], values, rtol=1e-4, atol=1e-6):
            wanted = "value i is to be that of example i, and the same at each call"
            raise ProgramError([f"score() gives other values where the examples come in reverse order; {wanted}"])
        return "score", True

    def _classes(self, outputs: Any, targets: Any, all_targets: list[Arrays], trains: bool) -> int | None:  # noqa: ANN401
        """Return how many classes a default tells apart; raise where the targets do not suit it."""
        functions = self._functions
        name = "score" if functions.score is None else "loss"
        has_own_loss = functions.loss is not None or functions.training_loss is not None
        if targets is None or (name == "loss" and (has_own_loss or not trains)):
            return None
        output, target = fitting(outputs, targets, name)
        arrays = [next(iter(part.by_name.values())) for part in all_targets]
        if target.is_floating_point():
            if name == "score" and not all(np.ptp(array, axis=0).any() for array in arrays):
                raise ProgramError(["the targets are all the same, so that R² is not defined; write score()"])
            return None
        classes = output.shape[1]
        for array in arrays:
            outside = (array < 0) | (array >= classes)
            if outside.any():
                first = int(np.argwhere(outside)[0][0])
                told = f"the targets hold {array[outside][0]}, the first such in example {first}"
                remedy = f"correct them, give more outputs, or write {name}()"
                raise ProgramError(
                    [f"{told}, and the network's {classes} outputs are classes 0 to {classes - 1}; {remedy}"]
                )
        return int(classes)

    def _train(self, network: nn.Module, inputs: Any, targets: Any) -> None:  # noqa: ANN401
        """Try one step, in training mode; of our own optimisers none."""
        folder = self._functions.folder
        if not any(one.requires_grad for one in network.parameters()):
            raise ProgramError(["model() gives a network without parameters to train; give --epochs 0 to infer only"])
        network.train()
        optimizer = self._optimizer(network)
        loss, name = self._loss(network, inputs, targets)
        _check_loss(loss, name)
        with calling(f"the backward pass of {name}", folder):
            loss.backward()
        gradients = [one.grad for one in network.parameters() if one.grad is not None]
        if not gradients:
            raise ProgramError([f"{name} does not depend on the network's parameters; take it from its outputs"])
        if not all(bool(one.isfinite().all()) for one in gradients):
            raise ProgramError([f"{name} has gradients that are NaN or infinite on the first batch; correct it"])
        if optimizer is not None:
            with calling("the step of optimizer()", folder):
                optimizer.step()

    def _why_not_alone(self, network: nn.Module, input_: Any, target: Any) -> str:  # noqa: ANN401
        """Return why training fails on a batch of one example, as the last of an epoch may be; empty where it works."""
        try:
            self._loss(network, input_, target)
        except ProgramError as error:
            return error.problems[0]
        return ""

    def _loss(self, network: nn.Module, inputs: Any, targets: Any) -> tuple[Any, str]:  # noqa: ANN401
        """Return the loss of a batch, and whose it is."""
        functions, folder = self._functions, self._functions.folder
        if functions.training_loss is not None:
            name = "training_loss()"
            with calling(name, folder):
                loss = functions.training_loss(network, inputs, targets)
        else:
            name = "loss()"
            with calling(f"the forward of model(), in training mode, on {_told(inputs)}", folder):
                outputs = called(network, inputs)
            with calling(name, folder):
                loss = (functions.loss or default_loss)(outputs, targets)
        return loss, name

    def _optimizer(self, network: nn.Module) -> torch.optim.Optimizer | None:
        if self._functions.optimizer is None:
            return None
        with calling("optimizer()", self._functions.folder):
            optimizer = self._functions.optimizer(network)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise ProgramError([f"optimizer() gives {described(optimizer)}; a torch.optim.Optimizer is wanted"])
        own = {id(one) for one in network.parameters()}
        if not all(id(one) in own for group in optimizer.param_groups for one in group["params"]):
            raise ProgramError(["optimizer() takes parameters of another network; take those of its argument"])
        return optimizer


def weights_sha256(network: nn.Module) -> str:
    """Return a digest of a network's parameters and buffers, wherever `model` has them from."""
    digest = hashlib.sha256()
    for key, one in network.state_dict().items():
        if isinstance(one, torch.Tensor) and one.layout is torch.strided and not one.is_quantized:
            digest.update(repr((key, tuple(one.shape), _name(one.dtype))).encode())
            digest.update(one.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(functions: Functions, name: str) -> Data:
    with seeded(SEED_OF_DATA), calling(f"{name}()", functions.folder):
        return read_data(getattr(functions, name)(), f"{name}()")


def _saved(folder: Path, train: Data, test: Data | None) -> str:
    """Save the arrays there are, each to a folder of its own; return a digest of all."""
    digest = hashlib.sha256()
    for part, data in (("train", train), ("test", test)):
        for role, arrays in zip(("inputs", "targets"), data or (None, None), strict=True):
            if arrays is not None:
                arrays.save(folder / f"{part}-{role}")
            digest.update((arrays.sha256() if arrays else "nothing").encode())
    return digest.hexdigest()


def _built_twice(functions: Functions, options: Mapping[str, object], seed: int) -> nn.Module:
    """Return the user's network, once it is sure that every run will have the same."""
    network, again = (new_network(functions, options, seed) for _ in range(2))
    if network is again:
        raise ProgramError(["model() gives the very same network at each call; make a new one inside it"])
    states = [
        {key: one for key, one in net.state_dict().items() if isinstance(one, torch.Tensor)} for net in (network, again)
    ]
    shapes, others = ({key: tuple(one.shape) for key, one in state.items()} for state in states)
    if shapes != others:
        key = next(key for key in {**shapes, **others} if shapes.get(key) != others.get(key))
        told = f"{key} of shape {shapes.get(key, 'none')} at first, {others.get(key, 'none')} then"
        raise ProgramError([f"model() gives another network at the second call: {told}; build the same each time"])
    if different := [key for key, one in states[0].items() if not _same(one, states[1][key])]:
        remedy = "draw from torch's, NumPy's or Python's global generator, which are seeded, or seed your own"
        raise ProgramError(
            [f"model() gives other weights at the second call with the same seed, in {different[0]}; {remedy}"]
        )
    return network


def _check_outputs(outputs: Any, examples: int) -> None:  # noqa: ANN401 - whatever comes
    tensors = leaves(outputs)
    if not tensors:
        raise ProgramError([f"model() outputs {described(outputs)} without a tensor; at least one is wanted"])
    problems = []
    for at, one in enumerate(tensors):
        name = "a tensor" if len(tensors) == 1 else f"as output {at} a tensor"
        if not isinstance(one, torch.Tensor):
            problems.append(f"model() outputs {described(one)}; a tensor, or a tuple or dict of tensors, is wanted")
        elif not one.dim() or len(one) != examples:
            shape = tuple(one.shape)
            problems.append(f"model() outputs {name} of shape {shape} for {examples} examples; they are the first axis")
        elif one.is_complex():
            problems.append(f"model() outputs {name} of {_name(one.dtype)}; give real and imaginary parts as two")
        elif one.isnan().any():
            problems.append(f"model() outputs {name} with NaN on the data, untrained; correct the network or the data")
    if problems:
        raise ProgramError(problems)


def _check_loss(loss: Any, name: str) -> None:  # noqa: ANN401 - whatever comes
    wanted = "one number as a tensor with a gradient is wanted"
    if not isinstance(loss, torch.Tensor):
        raise ProgramError([f"{name} gives {described(loss)}; {wanted}"])
    if loss.numel() != 1 or not loss.is_floating_point():
        raise ProgramError([f"{name} gives a tensor of shape {tuple(loss.shape)} and {_name(loss.dtype)}; {wanted}"])
    if not math.isfinite(loss.item()):
        raise ProgramError([f"{name} is {loss.item()} on the first batch; a finite number is wanted"])
    if not loss.requires_grad:
        raise ProgramError([f"{name} gives a tensor without a gradient; {wanted}: leave out detach() and item()"])


def _rows(data: Data, batch_size: int, forward_s: float) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return which examples are tried: at least a batch, and with targets as many as take no time, from all over."""
    inputs, targets = data
    wanted = min(MOST, int(LONGEST_FORWARD_S / max(forward_s, 1e-9))) if targets else 0
    return extremes_first(inputs)[: max(batch_size, FEWEST, wanted)]


def _tensors(data: Data, rows: "np.ndarray[Any, np.dtype[np.int64]]") -> tuple[Any, Any]:
    """Return some examples as tensors in the user's form; None for targets where there are none."""
    inputs, targets = (
        arrays and arrays.as_given({name: torch.from_numpy(one) for name, one in arrays.take(rows).by_name.items()})
        for arrays in data
    )
    return inputs, targets


def _reversed(tree: Any) -> Any:  # noqa: ANN401 - the user's form
    return _pytree.tree_map(lambda one: one.flip(0) if isinstance(one, torch.Tensor) else one, tree)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(torch.equal(one, other)) or bool((one == other).logical_or(one.isnan() & other.isnan()).all())


def _signature(arrays: Arrays) -> Signature:
    return {name: (array.shape[1:], str(array.dtype)) for name, array in arrays.by_name.items()}


def _shown(signature: Signature) -> str:
    return ", ".join(f"{name} {shape} {dtype}" for name, (shape, dtype) in signature.items())


def _told(inputs: Any) -> str:  # noqa: ANN401 - the user's form
    """Tell inputs by name, shape and type."""
    named = (
        inputs if isinstance(inputs, dict) else dict(enumerate(inputs)) if isinstance(inputs, tuple) else {"": inputs}
    )
    return ", ".join(f"{name} {tuple(one.shape)} {_name(one.dtype)}".strip() for name, one in named.items())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
