"""A network that a user's functions make: trained by our loop, exported, and judged by the user's score."""

import contextlib
import copy
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from significand.plan.kinds import settings
from significand.plan.precision import MODES
from significand.plan.setup import Setup
from significand.workload.arrays import Arrays, Form, called, load_arrays
from significand.workload.base import PRODUCTS, Examples, Outputs, Trained
from significand.workload.copies import shared_in_copies
from significand.workload.examined import PICKLED, ProgramError, structure_of, why_no
from significand.workload.export import CANNOT, ExportError, exported
from significand.workload.judge import in_form
from significand.workload.parts import ExaminedMaterial, unchanged
from significand.workload.program import Functions, load_functions, new_network, scored, training_loss
from significand.workload.training import Trainer, as_arrays, flag_optimizer, tensor_of
from significand.workload.trial import FORM, weights_sha256


class ProgramRecipe:
    """The user's loss, or the default one."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def outputs(self, network: nn.Module, inputs: Any, targets: Any) -> Any:  # noqa: ANN401 - the user's own types
        """Return the loss already: what of it is outside autocast is no matter of ours."""
        return training_loss(self._functions, network, inputs, targets)

    def loss(self, outputs: torch.Tensor, targets: Any) -> torch.Tensor:  # noqa: ANN401, ARG002 - of the protocol
        """Return it."""
        return outputs


class TrainedModule:
    """A module with its weights.

    Parameters
    ----------
    network
        The module.
    example
        Inputs of a few examples.
    structure
        Where an examination has left its structure, or why there is none.
    again
        Makes it once more; None where that is impossible.
    """

    quantised_types: Sequence[str] | None = PRODUCTS
    quantised = ""
    note = ""

    def __init__(
        self, network: nn.Module, example: Arrays, structure: Path, again: Callable[[], nn.Module] | None = None
    ) -> None:
        self._network: nn.Module | None = network.eval()
        self._example = example
        self._structure = structure
        self._again = again
        self._identity = ""
        self.form: Form = example.form
        self.lasts = again is not None

    def identity(self) -> str:
        """Return a digest of the weights."""
        self._identity = self._identity or weights_sha256(self._now())
        return self._identity

    def module(self) -> nn.Module:
        """Return the network itself: nobody else needs it any more."""
        network, self._network = self._now(), None
        return network

    def onnx_file(self, folder: Path) -> Path:
        """Put the weights into the structure that was exported once, or export anew where that does not fit.

        The network is given up: its memory is for whoever converts the file.
        """
        if (reason := why_no(self._structure)).exists():
            raise ExportError(reason.read_text("utf-8").removeprefix(CANNOT))
        path = folder / "float32.onnx"
        exported(self._now(), self._example, self._structure, path)
        self._network = None
        return path

    def reference(self, inputs: Arrays) -> Outputs:
        """Return what the weights give in float64; in float32 where the network cannot be had in float64."""
        network = self._now()
        memo = shared_in_copies(network)
        try:
            with _parameters_back(network) as shared:
                return _computed(copy.deepcopy(network, memo | shared).double(), inputs, torch.float64)
        except Exception:  # noqa: BLE001 - a network may insist on float32 in any way
            self.note = "the yardstick is float32 in torch: the network does not run in float64"
            return _computed(copy.deepcopy(network, memo).float(), inputs, torch.float32)

    def _now(self) -> nn.Module:
        """Return the network, made once more where it was given up.

        Raises
        ------
        ProgramError
            Where that has other weights.
        """
        if self._network is not None:
            return self._network
        if self._again is None:
            raise ValueError("the network was given up")
        network = self._again().eval()
        if self._identity and weights_sha256(network) != self._identity:
            raise ProgramError(["model() gives other weights at another call of the same seed; draw them by the seed"])
        return network


@contextlib.contextmanager
def _parameters_back(network: nn.Module) -> Iterator[dict[int, Any]]:
    """Let a copy share the parameters while it changes their type, and change them back.

    Two networks of hundreds of MB would be too many. Nothing is lost on the way to float64 and back.
    """
    dtypes = {parameter: parameter.dtype for parameter in network.parameters()}
    for parameter in dtypes:
        parameter.grad = None  # training is over
    try:
        yield {id(parameter): parameter for parameter in dtypes}
    finally:
        for parameter, dtype in dtypes.items():
            parameter.data = parameter.data.to(dtype)


class ProgramMaterial(ExaminedMaterial):
    """A user's functions with the data that they gave; see `significand.workload.base.Material`."""

    def preload(self) -> None:
        """Import the user's file, where that leaves nothing behind that a fork would lose; a run tells what fails."""
        if not self._facts.threads_started:
            with contextlib.suppress(ProgramError):
                _ = self._functions

    def load(self) -> None:
        """Import the user's file: the classes of the network are in it."""
        _ = self._functions

    @functools.cached_property
    def _functions(self) -> Functions:
        if self._facts.working_directory:
            with contextlib.suppress(OSError):  # it may be gone; what then cannot be found says so
                os.chdir(self._facts.working_directory)
        pickled = self._folder / PICKLED
        with unchanged(self._facts.held):
            source = self._facts.source or self._workload.model
            return load_functions(source, pickled.read_bytes() if pickled.exists() else None)

    def _new_network(self, setup: Setup, seed: int) -> nn.Module:
        with unchanged(self._facts.held):
            return new_network(self._functions, settings(setup.options), seed)

    def new_trainer(self, setup: Setup, seed: int, part: Examples) -> Trainer:
        """Return the network before its first step."""
        workload, functions = self._workload, self._functions
        by_flags = flag_optimizer(workload.optimizer, workload.learning_rate, workload.momentum)
        return Trainer(
            self._new_network(setup, seed),
            ProgramRecipe(functions),
            MODES[setup.precision],
            part,
            batch_size=setup.batch_size,
            optimizer=functions.optimizer or by_flags,
            learning_rate=workload.learning_rate,
            seed=seed,
        )

    def untrained(self, setup: Setup, seed: int) -> Trained:
        """Return the network as `model` makes it."""
        again = functools.partial(self._new_network, setup, seed)
        return self._trained(setup, again(), again)

    def trained(self, setup: Setup, trainer: Trainer) -> Trained:
        """Return the network as training has left it."""
        return self._trained(setup, trainer.network)

    def _trained(self, setup: Setup, network: nn.Module, again: Callable[[], nn.Module] | None = None) -> TrainedModule:
        example = load_arrays(self._folder / "train-inputs").take(np.arange(2))
        number = self._facts.options.index(setup.options)
        return TrainedModule(network, example, structure_of(self._folder, number), again)

    def scores(self, outputs: Outputs, targets: Arrays) -> NDArray[np.float64]:
        """Return what the user's `score` gives, or the default."""
        functions = self._functions  # first: their file imports what the outputs' types are of
        tensors = [tensor_of(one, torch.float32) for one in outputs]
        copies = {name: tensor_of(np.array(array), torch.float32) for name, array in targets.by_name.items()}
        given = targets.as_given(copies)  # a score may change them
        return scored(functions, in_form((self._folder / FORM).read_bytes(), tensors), given)


def _computed(network: nn.Module, inputs: Arrays, dtype: torch.dtype) -> Outputs:
    batches: list[Sequence[np.ndarray]] = []
    with torch.inference_mode():
        size = inputs.untimed_batch()  # six images of ResNet-18 took 1.9 s of CPU time together, 1.4 s one by one
        for at in range(0, len(inputs), size):
            some = inputs.take(slice(at, at + size))
            tensors = {name: tensor_of(np.ascontiguousarray(one), dtype) for name, one in some.by_name.items()}
            batches.append(as_arrays(called(network, some.as_given(tensors))))
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
