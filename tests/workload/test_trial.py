"""Behaviour of reading a user's data, and of trying their functions on a batch."""

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from significand.workload import reading
from significand.workload.arrays import Arrays, load_arrays
from significand.workload.examined import Examined, ProgramError
from significand.workload.program import Functions
from significand.workload.trial import examine, read_examples

pytestmark = pytest.mark.slow

X = np.random.default_rng(1).normal(size=(40, 4))
CLASSES = np.arange(40) % 3
REAL = X.sum(1)


def functions(model: object = lambda: nn.Linear(4, 3), data: object = lambda: (X, CLASSES), **given: Any) -> Functions:  # noqa: ANN401
    """Return functions that suit each other, but for what is given."""
    return Functions("net.py", None, model, data, **given)


def problems(call: Callable[[], object]) -> list[str]:
    """Return the lines of what is refused."""
    with pytest.raises(ProgramError) as caught:
        call()
    assert not any("\n" in line for line in caught.value.problems)
    return list(caught.value.problems)


def read(given: object) -> tuple[Arrays, Arrays | None]:
    """Return what is read of what `data` gives."""
    return read_examples(functions(data=lambda: given))[0]


@pytest.fixture
def try_out(tmp_path: Path) -> Callable[..., Examined]:
    """Examine functions, in folders of their own."""
    folders = (tmp_path / str(count) for count in itertools.count())

    def try_out(given: Functions, *, batch_size: int = 8, epochs: int = 1, **more: Any) -> Examined:  # noqa: ANN401
        folder = next(folders)
        folder.mkdir()
        return examine(given, {}, folder, 1, batch_size, epochs, **more)

    return try_out


def test_arrays_and_tensors_become_plain_arrays() -> None:
    """Floating-point numbers become float32, integer targets int64; integer inputs stay what they are."""
    inputs, targets = read((torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True), [True, False, True]))
    assert inputs.by_name["input"].dtype == np.float32
    assert targets is not None
    assert targets.by_name["target"].tolist() == [1, 0, 1]
    assert targets.by_name["target"].dtype == np.int64
    inputs, targets = read((np.ones((3, 2), ">i4"), np.ones(3, np.float16)))
    assert inputs.by_name["input"].dtype == np.dtype("=i4")
    assert targets is not None
    assert targets.by_name["target"].dtype == np.float32
    inputs, targets = read(([[1, 2], [3, 4]], None))
    assert inputs.by_name["input"].shape == (2, 2)
    assert targets is None


def test_tuples_and_dicts_keep_their_form_and_names() -> None:
    """A tuple's arrays are numbered, a dict's keep their keys."""
    inputs, targets = read(({"ids": CLASSES, "mask": CLASSES > 0}, (REAL, CLASSES)))
    assert list(inputs.by_name) == ["ids", "mask"]
    assert inputs.form == "dict"
    assert targets is not None
    assert list(targets.by_name) == ["target_0", "target_1"]
    assert targets.form == "tuple"


class Rows(Dataset[Any]):
    """Pairs one by one, as a user's data set gives them."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, at: int) -> Any:  # noqa: ANN401
        return {"x": torch.tensor(X[at])}, int(CLASSES[at])


class Stream(IterableDataset[Any]):
    """Pairs one by one without a length."""

    def __iter__(self) -> Iterator[Any]:
        return (({"x": x}, y) for x, y in zip(X, CLASSES, strict=True))


@pytest.mark.parametrize(
    "given",
    [
        Rows(),
        Stream(),
        [({"x": x}, y) for x, y in zip(X, CLASSES, strict=True)],
        (({"x": x}, y) for x, y in zip(X, CLASSES, strict=True)),
        DataLoader(Rows(), batch_size=7),
        DataLoader(Rows(), batch_size=None),
    ],
    ids=["data set", "stream", "list", "generator", "loader", "loader of single ones"],
)
def test_a_data_set_of_pairs_is_read_once_and_stacked(given: object) -> None:
    """However the pairs come, the arrays are the same as if they had been given."""
    inputs, targets = read(given)
    wanted_inputs, wanted_targets = read(({"x": X}, CLASSES))
    assert targets is not None
    assert wanted_targets is not None
    assert inputs.sha256() == wanted_inputs.sha256()
    assert targets.sha256() == wanted_targets.sha256()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([(X[0], 1), (X[1], 2)], (X[:2], np.array([1, 2]))),
        ((list(X[:5]), CLASSES[:5]), (X[:5], CLASSES[:5])),
        (DataLoader([((x, -x), y) for x, y in zip(X, CLASSES, strict=True)], batch_size=8), ((X, -X), CLASSES)),  # type: ignore[arg-type]
    ],
    ids=["two examples", "examples one by one", "two inputs that a loader makes a list of"],
)
def test_a_list_is_of_examples_and_a_tuple_of_what_belongs_together(given: object, wanted: object) -> None:
    """As many as there are; a DataLoader's lists are its data set's tuples."""
    for one, other in zip(read(given), read(wanted), strict=True):
        assert one is not None
        assert other is not None
        assert one.sha256() == other.sha256()


def test_pairs_without_targets_have_none() -> None:
    """A data set may give None with each input."""
    assert read([(x, None) for x in X])[1] is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((X, CLASSES[:39]), "unequal numbers of examples: input 'input' 40, target 'target' 39"),
        (({"a": X, "b": X[:3]}, CLASSES), "input 'b' 3"),
        ((X[:0], CLASSES), "are empty, of shape (0, 4)"),
        ((X[:, :0], CLASSES), "are empty, of shape (40, 0)"),
        ((np.array([object()] * 3), CLASSES[:3]), "inputs hold objects; numbers are wanted"),
        ((X, ["cat"] * 40), "targets hold text; numbers are wanted"),
        (("cat", CLASSES), "inputs are a str; numbers are wanted"),
        ((np.where(X > 1, np.nan, X), CLASSES), "that are NaN or infinite in float32, the first in example"),
        ((np.full((4, 2), 1e300), CLASSES[:4]), "hold 8 values that are NaN or infinite"),
        ((X, np.where(REAL > 1, np.inf, REAL)), "targets hold"),
        ((X * 1j, CLASSES), "inputs hold complex numbers"),
        ((3.0, CLASSES), "are a single number"),
        ((torch.tensor(3), CLASSES), "are a single number"),
        (({1.0, 2.0}, CLASSES), "inputs are a set; numbers are wanted"),
        (((x for x in X), CLASSES), "inputs are a generator; numbers are wanted"),
        (([[1], [1, 2]], CLASSES), "inputs cannot be read as an array"),
        (((), CLASSES), "inputs are an empty tuple"),
        (({}, CLASSES), "inputs are an empty dict"),
        (({3: X}, CLASSES), "inputs have the key 3; names of arguments are wanted"),
        (({"a b": X}, CLASSES), "inputs have the key 'a b'"),
        (({"x": (X, X)}, (CLASSES,)), "unequal numbers"),
        (({"x": {"y": X}}, CLASSES), "input 'x' are a dict"),
        (((X, None), CLASSES), "input 'input_1' are nothing (None)"),
        ((torch.eye(3).to_sparse(), CLASSES[:3]), "cannot be read as an array"),
        ((torch.ones(3, device="meta"), CLASSES[:3]), "cannot be read as an array"),
        ((np.ma.masked_less(X, 0), CLASSES), "have masked values"),
        ((None, CLASSES), "gives no inputs"),
        ((X,), "gives a tuple of 1; a tuple (inputs, targets)"),
        ((X, CLASSES, CLASSES), "gives a tuple of 3"),
        (X, "gives a ndarray; a tuple"),
        (None, "gives nothing (None); a tuple"),
        ({"x": X}, "gives a dict; a tuple"),
        ({1, 2}, "gives a set"),
        ("data.csv", "gives a str"),
        (3, "gives an int"),
        ([], "gives a list without examples"),
        (iter(()), "without examples"),
        ([1, 2, 3], "example 0 is an int; a tuple (input, target) is wanted"),
        ([(X[0], 1), (X[1], 2), (X[2], None)], "not all examples have the same targets"),
        ([(X[:1], 1), (X[:2], 2), (X[:3], 0)], "differ in shape, such as (1, 4) and (3, 4); bring them to one"),
        ([({"a": 1}, 1), ({"b": 1}, 1), ({"a": 1}, 1)], "not all examples have the same inputs"),
        ([("cat", 1)] * 3, "inputs of example 0 are a str"),
        (TensorDataset(torch.ones(3, 2)), "example 0 is a tuple; a tuple (input"),
        ([X, CLASSES], "where the list of 2 is no data set, write (inputs, targets)"),
        ([[X[0], 1], [X[1], 2]], "example 0 is a list of 2; a tuple (input, target) is wanted"),
        (([X, X], CLASSES), "inputs are a list of 2 arrays, which may mean two things: a tuple of them is 2 inputs"),
        (([X, X], None), "numpy.stack of them is 2 examples of one"),
        (([X[0], X[1], X[2], X[3]], CLASSES[:4]), "inputs are a list of 4 arrays"),
        ((X, [torch.tensor(CLASSES)] * 2), "targets are a list of 2 arrays"),
        ((X[:1], CLASSES[:1]), "gives 1 example; at least 2 are needed"),
    ],
)
def test_data_that_no_network_takes_are_told_in_one_line(given: object, told: str) -> None:
    """What came, and what is wanted; nothing is left out or changed silently."""
    [line] = problems(lambda: read(given))
    assert line.startswith("data()")
    assert told in line


def test_what_is_wrong_with_several_arrays_is_told_together() -> None:
    """Not one after the other."""
    assert len(problems(lambda: read(({"a": X * np.nan, "b": "text"}, [None] * 40)))) == 3


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        ("MOST_EXAMPLES", 50, "data() has not ended after 50 examples"),
        ("LONGEST_READING_S", 0.1, "data() has not ended after 0.1 s"),
        ("MOST_BYTES", 1e6, "data() has not ended after 0.001 GB"),
    ],
)
def test_what_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str, value: float, told: str) -> None:
    """After a number of examples, a time, or a size, whichever comes first."""
    monkeypatch.setattr(reading, limit, value)
    [line] = problems(lambda: read(zip(itertools.cycle(X), itertools.cycle(CLASSES), strict=True)))
    assert told in line


def test_held_out_data_are_to_be_like_the_others() -> None:
    """Names, shapes and types of both parts are the same; without data there is nothing to do."""

    def parts(train: object, test: object) -> Functions:
        return functions(data=None, train_data=lambda: train, test_data=lambda: test)

    train, test = read_examples(parts((X, CLASSES), (X[:5], CLASSES[:5])))
    assert test is not None
    assert (len(train[0]), len(test[0])) == (40, 5)
    [line] = problems(lambda: read_examples(parts((X, CLASSES), (X[:, :3], CLASSES))))
    assert "test_data() gives inputs input (3,) float32, and train_data() input (4,) float32" in line
    [line] = problems(lambda: read_examples(parts((X, CLASSES), (X, None))))
    assert "test_data() gives targets that are None" in line
    assert "has no data(); write data()" in problems(lambda: read_examples(functions(data=None)))[0]


def test_data_that_draw_are_the_same_each_time() -> None:
    """The global generators are seeded for `data`, so that its digest stays."""
    draws = functions(data=lambda: (torch.randn(5, 2), np.random.rand(5)))  # noqa: NPY002
    assert read_examples(draws)[0][0].sha256() == read_examples(draws)[0][0].sha256()


def test_functions_that_fit_are_described(try_out: Callable[..., Examined], tmp_path: Path) -> None:
    """Shapes, types, counts and digests; the data lie where the runs will read them."""
    told: list[str] = []
    found = try_out(functions(), doing=told.append)
    assert found.inputs == {"input": ((4,), "float32")}
    assert found.targets == {"target": ((), "int64")}
    assert found.outputs == (((3,), "float32"),)
    assert (found.n_train, found.n_test, found.parameters, found.size_mb) == (40, None, 15, 60e-6)
    assert (found.score, found.per_example, found.classes) == ("accuracy", True, 3)
    assert 0 < found.forward_s < 1
    assert not found.threads_started
    assert load_arrays(tmp_path / "0" / "train-targets").by_name["target"].tolist() == CLASSES.tolist()
    assert told == ["model()", "data()", "the forward of model()", "score()", "the targets", "the training step"]
    assert Examined.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert try_out(functions()).data_sha256 == found.data_sha256
    assert try_out(functions(data=lambda: (X + 1, CLASSES))).data_sha256 != found.data_sha256


class TwoHeads(nn.Module):
    """Two inputs by name, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, *, x: torch.Tensor, scale: torch.Tensor) -> dict[str, torch.Tensor]:  # noqa: D102
        return {"classes": self.layer(x), "size": self.layer(x).sum(1) * scale}


def test_several_inputs_and_outputs_need_a_loss_and_a_score(try_out: Callable[..., Examined]) -> None:
    """With both all is well; without, the line says what to write."""
    data = lambda: ({"x": X, "scale": np.ones(40)}, (CLASSES, REAL))  # noqa: E731
    loss = lambda o, t: nn.functional.cross_entropy(o["classes"], t[0]) + (o["size"] - t[1]).square().mean()  # noqa: E731
    score = lambda o, t: o["classes"].argmax(1) == t[0]  # noqa: E731
    found = try_out(functions(TwoHeads, data, loss=loss, score=score))
    assert found.outputs == (((3,), "float32"), ((), "float32"))
    assert (found.score, found.classes) == ("score", None)
    [line] = problems(lambda: try_out(functions(TwoHeads, data)))
    assert "2 outputs and 2 targets have no default; write loss(outputs, targets) and score(outputs, targets)" in line
    [line] = problems(lambda: try_out(functions(TwoHeads, data, score=score)))
    assert line.startswith("loss: 2 outputs")


def test_real_targets_are_scored_by_r2(try_out: Callable[..., Examined]) -> None:
    """With a batch of one, too."""
    found = try_out(functions(lambda: nn.Linear(4, 1), lambda: (X, REAL)), batch_size=1)
    assert (found.score, found.classes) == ("R²", None)


def test_without_targets_a_network_is_only_inferred(try_out: Callable[..., Examined]) -> None:
    """It is said, and no mistake."""
    found = try_out(functions(data=lambda: (X, None)))
    assert (found.score, found.targets) == ("none", None)
    assert "only inferred" in found.notes[0]
    assert not try_out(functions(data=lambda: (X, None)), epochs=0).notes


def test_a_score_of_one_number_is_taken_and_told(try_out: Callable[..., Examined]) -> None:
    """Nothing can then be paired by example."""
    found = try_out(functions(score=lambda o, t: (o.argmax(1) == t).float().mean()))
    assert (found.score, found.per_example) == ("score", False)
    assert "nothing can be paired" in found.notes[0]


def test_data_of_a_file_take_the_place_of_the_functions(try_out: Callable[..., Examined]) -> None:
    """Then no `data` is needed."""
    found = try_out(functions(data=None), on_file_data=(Arrays({"input": X.astype("f4")}), None))
    assert (found.n_train, found.score) == (40, "none")


def test_an_untrained_network_needs_no_loss(try_out: Callable[..., Examined]) -> None:
    """With no epochs, only what inference calls is called."""
    assert try_out(functions(loss=lambda o, t: 1 / 0), epochs=0).score == "accuracy"  # noqa: ARG005


def test_threads_that_stay_are_noticed(try_out: Callable[..., Examined]) -> None:
    """A fork would lose them; those that only `data` starts are no matter."""
    end = threading.Event()

    def model() -> nn.Module:
        threading.Thread(target=end.wait, daemon=True).start()
        return nn.Linear(4, 3)

    def data() -> Any:  # noqa: ANN401
        threading.Thread(target=end.wait, daemon=True).start()
        return X, CLASSES

    try:
        assert try_out(functions(model)).threads_started
        assert not try_out(functions(data=data)).threads_started
    finally:
        end.set()


def test_functions_that_are_misspelt_are_noted(try_out: Callable[..., Examined]) -> None:
    """The note names what is meant."""
    found = try_out(functions(unused=(("optimiser", "optimizer"),)))
    assert found.notes == ("net.py: optimiser is not used; did you mean optimizer()?",)


class Draws(nn.Linear):
    """Draws at random when it is evaluated, too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        return nn.functional.dropout(super().forward(x), 0.5)


def test_a_network_that_draws_in_evaluation_is_noted(try_out: Callable[..., Examined]) -> None:
    """Its outputs differ from call to call, which no precision is to blame for."""
    assert "draws at random" in try_out(functions(lambda: Draws(4, 3))).notes[0]


class Gives(nn.Module):
    """Gives what it is made with."""

    def __init__(self, change: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.change = change

    def forward(self, x: torch.Tensor) -> Any:  # noqa: ANN401, D102
        return self.change(self.layer(x))


def gives(change: Callable[[torch.Tensor], Any]) -> Callable[[], nn.Module]:
    return lambda: Gives(change)


COUNT = itertools.count(2)
SAME = nn.Linear(4, 3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": lambda: 1 / 0}, "model() raised ZeroDivisionError"),
        (
            {"model": lambda: nn.Linear(4, next(COUNT))},
            "model() gives another network at the second call: weight of shape",
        ),
        ({"model": lambda: SAME}, "the very same network at each call"),
        (
            {"model": lambda: nn.Embedding(9, 4, _weight=torch.tensor(np.random.default_rng().random((9, 4), "f4")))},
            "model() gives other weights at the second call with the same seed, in weight",
        ),
        ({"data": lambda: os.getcwd() / 1}, "data() raised TypeError"),  # type: ignore[operator]  # noqa: PTH109
        (
            {"model": lambda: nn.Linear(5, 3)},
            "the forward of model() on (1, 4) float32 raised RuntimeError: mat1 and mat2",
        ),
        (
            {"model": gives(lambda _: "text")},
            "model() outputs a str; a tensor, or a tuple or dict of tensors, is wanted",
        ),
        ({"model": gives(lambda _: None)}, "model() outputs nothing (None) without a tensor"),
        ({"model": gives(lambda o: o.mean())}, "model() outputs a tensor of shape () for 1 examples"),
        ({"model": gives(lambda o: (o, o.T))}, "model() outputs as output 1 a tensor of shape (3, 1) for 1 examples"),
        ({"model": gives(lambda o: o / 0 * 0)}, "with NaN on the data"),
        ({"model": gives(lambda o: o[:, :1])}, "the network's 1 outputs are classes 0 to 0; correct them"),
        (
            {"data": lambda: (X, CLASSES + 1)},
            "the targets hold 3, the first such in example 2, and the network's 3 outputs",
        ),
        ({"data": lambda: (X, CLASSES - 1)}, "the targets hold -1"),
        ({"data": lambda: (X, np.ones((40, 3)))}, "the targets are all the same"),
        ({"score": lambda o, t: o[:3, 0]}, "score() gives values of shape (3,) for 40 examples"),  # noqa: ARG005
        ({"score": lambda o, t: np.arange(40)}, "score() gives other values where the examples come in reverse order"),  # noqa: ARG005
        ({"score": lambda o, t: (o[:, 0] == t).double().sort().values + torch.arange(40)}, "in reverse order"),
        ({"loss": lambda o, t: 0.5}, "loss() gives a float; one number as a tensor with a gradient is wanted"),  # noqa: ARG005
        ({"loss": lambda o, t: o}, "loss() gives a tensor of shape (8, 3) and float32"),  # noqa: ARG005
        ({"loss": lambda o, t: (o * float("inf")).sum()}, "loss() is "),  # noqa: ARG005
        ({"loss": lambda o, t: o.detach().sum()}, "loss() gives a tensor without a gradient"),  # noqa: ARG005
        (
            {"loss": lambda *_: torch.ones((), requires_grad=True)},
            "loss() does not depend on the network's parameters",
        ),
        ({"loss": lambda o, t: (o - o).abs().sqrt().sum()}, "loss() has gradients that are NaN or infinite"),  # noqa: ARG005
        ({"loss": lambda o: o}, "loss() raised TypeError"),
        ({"training_loss": lambda m, i, t: None}, "training_loss() gives nothing (None)"),  # noqa: ARG005
        ({"optimizer": lambda m: None}, "optimizer() gives nothing (None); a torch.optim.Optimizer is wanted"),  # noqa: ARG005
        ({"optimizer": lambda m: torch.optim.SGD(SAME.parameters())}, "takes parameters of another network"),  # noqa: ARG005
        ({"optimizer": lambda m: torch.optim.LBFGS(m.parameters())}, "the step of optimizer() raised TypeError"),
        ({"model": lambda: nn.Linear(4, 3).requires_grad_(requires_grad=False)}, "without parameters to train"),
    ],
)
def test_mistakes_are_told_in_one_line(given: dict[str, Any], told: str, try_out: Callable[..., Examined]) -> None:
    """The function, what came, and what is wanted."""
    [line] = problems(lambda: try_out(functions(**given)))
    assert told in line


def test_an_error_in_training_mode_alone_is_found(try_out: Callable[..., Examined]) -> None:
    """Batch normalisation takes no batch of one."""
    norm = functions(lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    assert try_out(norm).score == "accuracy"
    [line] = problems(lambda: try_out(norm, batch_size=1))
    assert "the forward of model(), in training mode, on (1, 4) float32 raised ValueError" in line


def test_a_network_that_takes_no_single_example_says_why(try_out: Callable[..., Examined]) -> None:
    """Whether an epoch ends in one is for whoever knows the parts of the data."""
    norm = functions(lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    assert "Expected more than 1 value per channel" in try_out(norm).not_alone
    assert try_out(functions()).not_alone == ""


class Spoiling(nn.Linear):
    """A network that changes what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shift the inputs."""
        return super().forward(x.add_(1))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: Spoiling(4, 3), "the forward of model() changes its inputs in place; every call is to find the same"),
        (lambda: nn.Sequential(nn.Linear(4, 3), Complex()), "outputs a tensor of complex64; give real and imaginary"),
        (lambda: nested(2000), "model() raised RecursionError"),
    ],
)
def test_networks_that_no_engine_takes_are_told_in_one_line(
    model: Callable[[], nn.Module], told: str, try_out: Callable[..., Examined]
) -> None:
    """Whether they fail as they are called or as they are looked at."""
    [line] = problems(lambda: try_out(functions(model)))
    assert told in line


class Complex(nn.Module):
    """A network that gives complex numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return them."""
        return torch.complex(x, x)


def nested(depth: int) -> nn.Module:
    """Return a layer in as many networks."""
    network: nn.Module = nn.Linear(4, 3)
    for _ in range(depth):
        network = nn.Sequential(network)
    return network


@pytest.mark.parametrize("part", ["train_data", "test_data"])
def test_a_single_index_that_is_too_large_is_found(part: str, try_out: Callable[..., Examined]) -> None:
    """Wherever it is: the examples with extreme values are always tried."""
    parts = {name: np.zeros((3000, 2), int) for name in ("train_data", "test_data")}
    parts[part][1777, 1] = 99
    given = {name: lambda ids=ids: (ids, np.arange(3000) % 3) for name, ids in parts.items()}
    model = lambda: nn.Sequential(nn.EmbeddingBag(10, 3))  # noqa: E731
    [line] = problems(lambda: try_out(functions(model, None, **given)))
    assert "the forward of model() on" in line
    assert "raised" in line


def test_mistakes_of_several_functions_are_told_together(try_out: Callable[..., Examined]) -> None:
    """As far as one can go on after the first."""
    both = problems(lambda: try_out(functions(lambda: 3, lambda: (X, None, None))))
    assert [line[:7] for line in both] == ["model()", "data() "]
    three = functions(data=lambda: (X, CLASSES + 1), score=lambda o: o, training_loss=lambda o: o)
    assert [line[:6] for line in problems(lambda: try_out(three))] == ["score(", "traini"]


def test_a_sequence_that_is_too_long_is_told_with_its_shape(try_out: Callable[..., Examined]) -> None:
    """The network's own error, and the shapes of the inputs beside it."""

    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Embedding(16, 3)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.places(torch.arange(ids.shape[1]))[None].expand(len(ids), -1, -1).mean(1)  # type: ignore[no-any-return]

    data = lambda: ({"ids": np.ones((9, 17), int)}, CLASSES[:9])  # noqa: E731
    [line] = problems(lambda: try_out(functions(Text, data)))
    assert "the forward of model() on ids (1, 17) int64 raised IndexError: index out of range" in line


def test_a_check_takes_little_time(try_out: Callable[..., Examined]) -> None:
    """Of a small network well below a second."""
    start = time.perf_counter()
    try_out(functions())
    assert time.perf_counter() - start < 5
