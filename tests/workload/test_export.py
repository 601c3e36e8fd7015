# ruff: noqa: D101, D102 - a network's name says what it is, and forward is torch's word
import functools
import linecache
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from significand.workload import export as export_module
from significand.workload.arrays import Arrays
from significand.workload.export import ExportError, agrees, export, exported, flat_outputs, with_weights
from significand.workload.ort import onnxruntime, untimed_options

pytestmark = pytest.mark.slow


def real(*shape: int) -> np.ndarray:
    """Return made-up inputs."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def one(array: np.ndarray) -> Arrays:
    """Return a network's only input."""
    return Arrays({"input": array})


class Stage(nn.Module):
    """Two convolutions with a way around them, as in a residual network."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.around = nn.Conv2d(inputs, outputs, 1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(self.first(x)) + self.around(x))


def residual() -> nn.Module:
    """Return a small residual network with dropout."""
    return nn.Sequential(
        Stage(3, 8), Stage(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(16, 5)
    )


class Encoder(nn.Module):
    """Words, of which some are masked, through a transformer encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.encoder(self.embedding(ids), src_key_padding_mask=mask).mean(1))
        return outputs


class Recurrent(nn.Module):
    """A long short-term memory."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(4, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        sequence, state = self.cells(x)
        return sequence[:, -1], state


class TwoHeads(nn.Module):
    """Two inputs and two heads, one head of a kind that is not always there."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 8), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, Any]:
        hidden = torch.relu(self.left(left) - self.right(right))
        return {"class": self.head(hidden), "attention": None, "hidden": (hidden,)}


class Tied(nn.Module):
    """One weight under two names, one that is not used, and an embedding of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.unused, self.head = nn.Embedding(9, 4), nn.Linear(2, 2), nn.Linear(4, 9, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.embedding(ids).mean(1))
        return outputs


class Awkward(nn.Module):
    """Names that the exporter gives to other things too, and inputs as keywords in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.val_1 = nn.Parameter(torch.randn(4))

    def forward(self, *, linear: torch.Tensor, val_0: torch.Tensor, unused: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        outputs: torch.Tensor = self.linear(linear) + val_0.reshape(-1, 2, 2).flatten(1).mean(1, keepdim=True)
        return outputs * self.val_1


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Arrays]] = {
    "linear": (lambda: nn.Linear(4, 3), one(real(5, 4))),
    "residual": (residual, one(real(5, 3, 16, 16))),
    "encoder": (
        Encoder,
        Arrays({"mask": np.arange(6) >= np.array([[6], [3], [5]]), "ids": np.arange(18).reshape(3, 6)}, "dict"),
    ),
    "recurrent": (Recurrent, one(real(5, 6, 4))),
    "two inputs": (TwoHeads, Arrays({"input_0": real(5, 4), "input_1": real(5, 3)}, "tuple")),
    "tied": (Tied, one(np.arange(35).reshape(5, 7) % 9)),
    "names": (Awkward, Arrays({"unused": real(1, 2), "val_0": real(1, 4), "linear": real(1, 4)}, "dict")),
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def structure_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the structure of a network above; each is exported once."""

    @functools.cache
    def structure(name: str) -> Path:
        make, example = NETWORKS[name]
        folder = tmp_path_factory.mktemp("export") / "structure"
        export(make(), example, folder)
        return folder

    return structure


@pytest.mark.parametrize("name", NETWORKS)
def test_file_with_other_weights_gives_what_the_network_gives(
    name: str, structure_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """A structure, with the weights of another network of the kind, is that network, for all batch sizes."""
    make, example = NETWORKS[name]
    other, path = make(), tmp_path / "net.onnx"
    with_weights(structure_of(name), other.state_dict(), path)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == list(example.by_name)
    assert agrees(path, other, example)
    assert not agrees(path, make(), example)


def test_structure_holds_no_weights(structure_of: Callable[[str], Path]) -> None:
    """All weights are found by name and left out; only what is no weight stays."""
    graph = onnx.load(structure_of("residual") / "structure.onnx").graph
    weights = {f"network.{name}" for name in residual().state_dict()}
    assert weights.isdisjoint(tensor.name for tensor in graph.initializer)
    assert all(np.prod(tensor.dims) <= 16 for tensor in graph.initializer)


def optimised(path: Path) -> onnx.GraphProto:
    """Return a graph as ONNX Runtime makes it, without regard to the processor."""
    options = untimed_options()
    options.optimized_model_filepath = str(path.with_name("optimised.onnx"))
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(path.with_name("optimised.onnx")).graph


def test_recurrent_cells_stay_one_operator_of_constant_weights(
    structure_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """An LSTM is exported as the operator that engines have, not as its products, and no weight is computed anew."""
    path = tmp_path / "net.onnx"
    with_weights(structure_of("recurrent"), Recurrent().state_dict(), path)
    graph = optimised(path)
    (cells,) = [node for node in graph.node if node.op_type == "LSTM"]
    assert {*cells.input[1:4]} <= {tensor.name for tensor in graph.initializer}


def test_normalisations_are_joined_with_convolutions(structure_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Convolutions without a bias take the normalisation behind them in ONNX Runtime, as those with one do."""
    path = tmp_path / "net.onnx"
    with_weights(structure_of("residual"), residual().state_dict(), path)
    kinds = Counter(node.op_type for node in optimised(path).node)
    assert kinds["Conv"] == 6
    assert not {"BatchNormalization", "Expand", "Cast"} & {*kinds}


class Remembers(nn.Module):
    """Keeps what it has seen, and prints."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.seen = nn.Linear(4, 3), None
        self.calls = nn.Buffer(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("seen")  # noqa: T201 - as users do
        self.seen = self.linear(x)
        self.calls.add_(1)
        return self.linear(x)  # type: ignore[no-any-return]


def test_network_and_process_are_left_as_they_were(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither exporting nor checking changes the network, its mode, switches of torch or the environment, or prints."""
    network, example, environment = Remembers(), one(real(5, 4)), dict(os.environ)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export(network, example, tmp_path / "structure")
    exported(network, example, tmp_path / "structure", tmp_path / "net.onnx")
    assert network.training
    assert network.seen is None
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.is_grad_enabled()
    assert dict(os.environ) == environment
    assert capfd.readouterr() == ("", "")


def test_networks_of_another_width_are_rounded(tmp_path: Path) -> None:
    """A network that computes in float64 is exported, written and compared in float32."""
    network, example = nn.Linear(4, 3).double(), one(real(5, 4))
    export(network, example, tmp_path / "structure")
    with_weights(tmp_path / "structure", network.state_dict(), tmp_path / "net.onnx")
    assert {tensor.data_type for tensor in onnx.load(tmp_path / "net.onnx").graph.initializer} == {1}
    assert agrees(tmp_path / "net.onnx", network, example)
    assert network.weight.dtype == torch.float64


def test_large_networks_have_their_weights_beside_the_file(
    structure_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large for one file is two, and they give the same."""
    make, example = NETWORKS["residual"]
    network, structure, path = make(), structure_of("residual"), tmp_path / "net.onnx"
    with_weights(structure, network.state_dict(), path)
    in_one = path.stat().st_size
    monkeypatch.setattr(export_module, "LARGEST_FILE", in_one - 2_000)
    with_weights(structure, network.state_dict(), path)
    size = sum(tensor.numel() * 4 for tensor in network.state_dict().values() if tensor.is_floating_point())
    assert (tmp_path / "net.onnx.data").stat().st_size == size
    assert path.stat().st_size < in_one
    assert agrees(path, network, example)


def test_weights_of_another_network_are_refused(structure_of: Callable[[str], Path], tmp_path: Path) -> None:
    """A network that is not the exported one is told by its weights, all of them in one line."""
    with pytest.raises(ExportError, match=r"weight has the shape \[3, 5\] instead of \[3, 4\]; bias is missing"):
        with_weights(structure_of("linear"), nn.Linear(5, 3, bias=False).state_dict(), tmp_path / "net.onnx")


class Drawn(nn.Module):
    """Holds numbers that are not in its state, other ones each time it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.factor = nn.Linear(4, 3), torch.rand(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.factor  # type: ignore[no-any-return]


def test_network_that_is_more_than_its_weights_is_exported_anew(tmp_path: Path) -> None:
    """Where numbers that have no name differ, the structure is not used, and nothing is left lying about."""
    example = one(real(5, 4))
    export(Drawn(), example, tmp_path / "structure")
    other, path = Drawn(), tmp_path / "net.onnx"
    with_weights(tmp_path / "structure", other.state_dict(), path)
    assert not agrees(path, other, example)
    exported(other, example, tmp_path / "structure", path)
    assert agrees(path, other, example)
    assert {file.name for file in tmp_path.iterdir()} == {"structure", "net.onnx"}


class Linear(nn.Module):
    """What the refused networks below have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)


class Branches(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:  # the branch
            return self.linear(x)  # type: ignore[no-any-return]
        return x


class Counts(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear(x)
        return outputs[: 1 + len(range(int(x.abs().sum())))]  # the count


class Misshapen(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x[:, :3])  # type: ignore[no-any-return]  # the misshapen


class Exits(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise SystemExit(len(x.shape))  # the exit


class Talks(Linear):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, str]:
        return self.linear(x), "hello"


class Nothing(Linear):
    def forward(self, x: torch.Tensor) -> None:
        self.linear(x)


class FixedBatch(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.reshape(2, 4))  # type: ignore[no-any-return]


class Exotic(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = torch.linalg.eigvals(self.linear(x)[:, :, None] * torch.ones(3)).real
        return outputs


@pytest.mark.parametrize(
    ("kind", "reason", "line"),
    [
        (Branches, "a Python `if` on a tensor", "the branch"),
        (Counts, "a Python number taken from a tensor", "the count"),
        (Misshapen, "RuntimeError: a and b must have same reduction dim", "the misshapen"),
        (Exits, "SystemExit: 2", "the exit"),
        (Talks, "the network gives 'hello' (a str)", ""),
        (Nothing, "the network gives no output", ""),
        (FixedBatch, "it works for batches of 2 examples only", ""),
        (Exotic, "No ONNX function found for <OpOverload(op='aten.linalg_eig'", ""),
    ],
)
def test_what_cannot_be_exported_has_its_reason_in_one_line(
    kind: type[nn.Module], reason: str, line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reason says what is to blame and where in the user's file; nothing is written, nothing else is said."""
    with pytest.raises(ExportError) as caught:
        export(kind(), one(real(5, 4)), tmp_path / "structure")
    text = str(caught.value)
    assert text.startswith("cannot be exported: ")
    assert reason in text
    assert "\n" not in text
    if line:
        found = re.search(r"\(test_export\.py:(\d+)\)", text)
        assert found
        assert line in linecache.getline(__file__, int(found[1]))
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


class Random(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + torch.randn_like(x[:, :3])  # type: ignore[no-any-return]


def test_what_is_drawn_at_random_cannot_be_checked(tmp_path: Path) -> None:
    """A network that gives something else at every call is refused, and no file is left."""
    network, example = Random(), one(real(5, 4))
    export(network, example, tmp_path / "structure")
    with pytest.raises(ExportError, match="outputs differ between two calls"):
        exported(network, example, tmp_path / "structure", tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_scalar_inputs_are_refused(tmp_path: Path) -> None:
    """An input without an axis of examples is named."""
    with pytest.raises(ExportError, match="the input 'rate' is a scalar"):
        export(nn.Linear(4, 3), Arrays({"x": real(5, 4), "rate": np.array(8000)}, "dict"), tmp_path / "structure")


class Masked(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x.masked_fill(x > 0, -torch.inf), x.argmax(1), x > 0, torch.zeros_like(x)


def test_infinities_whole_numbers_and_zeros_are_compared(tmp_path: Path) -> None:
    """Outputs of all types agree, among them masks, and outputs that are zero."""
    example = one(real(5, 4))
    export(Masked(), example, tmp_path / "structure")
    with_weights(tmp_path / "structure", {}, tmp_path / "net.onnx")
    assert agrees(tmp_path / "net.onnx", Masked(), example)


def test_file_that_is_damaged_or_of_other_outputs_does_not_agree(
    structure_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """Whatever is wrong with a file, it does not agree."""
    example, path = one(real(5, 4)), tmp_path / "net.onnx"
    with_weights(structure_of("linear"), nn.Linear(4, 3).state_dict(), path)
    assert not agrees(path, nn.Linear(4, 2), example)
    assert not agrees(path, Talks(), example)
    path.write_bytes(path.read_bytes()[:50])
    assert not agrees(path, nn.Linear(4, 3), example)
    assert not agrees(tmp_path / "none.onnx", nn.Linear(4, 3), example)


def test_outputs_are_flattened_in_order_without_what_is_none() -> None:
    """Tuples, lists and dicts of tensors become one list."""
    first, second, third = torch.ones(1), torch.ones(2), torch.ones(3)
    flat = flat_outputs({"a": [first, None], "b": (second, {"c": third})})
    assert [len(tensor) for tensor in flat] == [1, 2, 3]
