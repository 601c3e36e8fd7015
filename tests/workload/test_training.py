import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from made_up_networks import xy
from significand.plan.precision import MODES
from significand.workload.arrays import Arrays
from significand.workload.base import Examples, Split
from significand.workload.data import draw
from significand.workload.mlp import (
    MlpRecipe,
    initial_network,
    predicted_classes,
    read_weights,
    reference_outputs,
)
from significand.workload.training import Adam, Sgd, Trainer, TrainingDivergedError, flag_optimizer

pytestmark = pytest.mark.slow

SIZES = (4, 16, 3)
ACTIVATIONS = ("relu", "softmax")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Train on one thread: small networks gain nothing from more, and sums keep their order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data() -> Split:
    """Return learnable data of three classes."""
    return draw(None, SIZES, 150, 0.2, seed=1)


def trainer(
    data: Split,
    mode: str = "float32",
    sizes: tuple[int, ...] = SIZES,
    activations: tuple[str, ...] = ACTIVATIONS,
    **changes: Any,  # noqa: ANN401 - any argument of a trainer
) -> Trainer:
    """Return a trainer on the data, by default one that learns."""
    arguments: dict[str, Any] = {
        "batch_size": 16,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "momentum": 0.9,
        "seed": 1,
    } | changes
    recipe, (x, y) = MlpRecipe(activations), xy(data.train)
    arguments["optimizer"] = flag_optimizer(*(arguments[name] for name in ("optimizer", "learning_rate", "momentum")))
    del arguments["momentum"]
    part = Examples(Arrays({"input": x}), Arrays({"target": recipe.targets(y, sizes[-1])}))
    return Trainer(initial_network(sizes, activations, 1), recipe, MODES[mode], part, **arguments)


@pytest.mark.parametrize("mode", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_loss_falls_in_every_precision(data: Split, mode: str, optimizer: str) -> None:
    """Learnable data is learnt in every training format by either optimizer."""
    learner = trainer(data, mode, optimizer=optimizer, learning_rate=0.05 if optimizer == "sgd" else 0.01)
    losses = [learner.epoch().loss for _ in range(6)]
    assert losses[-1] < 0.7 * losses[0]


def test_first_loss_is_that_of_the_formula(data: Split) -> None:
    """The first step's loss is the mean cross-entropy of the initial network, -log of the label's probability."""
    everything = trainer(data, "float64", batch_size=len(xy(data.train)[0]))
    probabilities = reference_outputs(SIZES, ACTIVATIONS, read_weights(everything.network), xy(data.train)[0])
    expected = -np.log(probabilities[np.arange(len(xy(data.train)[1])), xy(data.train)[1]]).mean()
    assert everything.epoch().loss == pytest.approx(expected, rel=1e-12)


def test_loss_weighs_a_short_last_batch_by_its_samples(data: Split) -> None:
    """The mean loss over an epoch counts every sample once, also those of a shorter last batch."""
    still: dict[str, Any] = {"learning_rate": 1e-30, "momentum": 0.0}
    whole = trainer(data, "float64", batch_size=len(xy(data.train)[0]), **still).epoch().loss
    assert len(xy(data.train)[0]) % 17 != 0
    assert trainer(data, "float64", batch_size=17, **still).epoch().loss == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_master_weights_are_float64_for_float64_only(data: Split, mode: str) -> None:
    """The weights that training updates are float64 in the mode float64 and float32 in all others."""
    learner = trainer(data, mode)
    learner.epoch()
    expected = torch.float64 if mode == "float64" else torch.float32
    assert {weight.dtype for weight in learner.network.parameters()} == {expected}


@pytest.mark.parametrize("mode", MODES)
def test_initial_weights_are_the_same_in_every_mode(data: Split, mode: str) -> None:
    """Every mode starts from the same numbers."""
    for (matrix, _), (other, _) in zip(
        read_weights(trainer(data, mode).network), read_weights(initial_network(SIZES, ACTIVATIONS, 1)), strict=True
    ):
        np.testing.assert_array_equal(matrix, other)


@pytest.mark.parametrize("mode", ["float64", "float32", "bfloat16", "float16"])
def test_same_seed_gives_identical_losses(data: Split, mode: str) -> None:
    """Training is repeatable to the last bit, and the order of samples depends on the seed."""
    first, again, other = (trainer(data, mode, seed=seed) for seed in (1, 1, 2))
    losses = [first.epoch().loss for _ in range(3)]
    assert losses == [again.epoch().loss for _ in range(3)]
    assert losses != [other.epoch().loss for _ in range(3)]


def test_formats_really_differ(data: Split) -> None:
    """The losses of the formats differ from one another: each computes in its own numerics."""
    losses = {mode: trainer(data, mode).epoch().loss for mode in ("float64", "float32", "bfloat16", "float16")}
    assert len(set(losses.values())) == 4
    # bfloat16 has 8 bits of significand and float16 11: the coarser one is further off.
    assert abs(losses["bfloat16"] - losses["float64"]) > abs(losses["float16"] - losses["float64"])


@pytest.mark.parametrize("mode", ["float64", "float32", "bfloat16", "float16"])
def test_divergence_names_the_learning_rate(data: Split, mode: str) -> None:
    """A loss that is no longer finite ends training with the cause and the remedy."""
    learner = trainer(data, mode, learning_rate=1e6)

    def train() -> None:
        for _ in range(10):
            learner.check_finite(learner.epoch())

    with pytest.raises(TrainingDivergedError, match=r"with learning_rate 1e\+06; lower learning_rate") as caught:
        train()
    assert MODES[mode].training_precision in str(caught.value)


def test_broken_weight_is_divergence_too(data: Split) -> None:
    """A finite loss with an infinite weight behind it is no success."""
    x, y = xy(data.train)
    far = Split(Examples(Arrays({"input": 1e3 * x}), Arrays({"target": y})), data.test)
    learner = trainer(far, batch_size=len(x), learning_rate=1e38, momentum=0.0)
    with pytest.raises(TrainingDivergedError, match="a weight is not finite after epoch 1"):
        learner.check_finite(learner.epoch())


@pytest.mark.parametrize("sizes", [(4, 16, 1), (4, 16, 2), (4, 16, 3)], ids=["one output", "two", "three"])
def test_sigmoid_outputs_learn(sizes: tuple[int, ...]) -> None:
    """A sigmoid network learns with one output for two classes as well as with one output per class."""
    data = draw(None, sizes, 150, 0.2, seed=2)
    activations = ("relu", "sigmoid")
    learner = trainer(data, "float32", sizes, activations, learning_rate=0.1)
    losses = [learner.epoch().loss for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]
    outputs = reference_outputs(sizes, activations, read_weights(learner.network), xy(data.train)[0])
    assert (predicted_classes(outputs) == xy(data.train)[1]).mean() > 0.8


def test_batch_larger_than_the_data_is_one_step(data: Split) -> None:
    """A batch size beyond the data trains on all of it at once."""
    large, exact = (trainer(data, batch_size=size) for size in (10_000, len(xy(data.train)[0])))
    assert large.epoch().loss == exact.epoch().loss


def test_the_first_steps_of_an_epoch_are_those_of_the_whole(data: Split) -> None:
    """An epoch cut short ends after so many steps; its loss is the mean over the samples it saw."""
    size = len(xy(data.train)[0]) // 2
    first = trainer(data, batch_size=size).epoch(1).loss
    whole = trainer(data, batch_size=size)
    both = whole.epoch(2).loss
    assert first == trainer(data, batch_size=size).epoch(1).loss != both
    assert both == trainer(data, batch_size=size).epoch().loss == trainer(data, batch_size=size).epoch(99).loss


def test_epoch_is_timed_by_the_clock_given(data: Split) -> None:
    """An epoch's time is the difference of two readings of the clock."""
    readings = count(start=0, step=250_000_000)
    epoch = trainer(data, clock_ns=lambda: next(readings)).epoch()
    assert epoch.time_s == 0.25
    assert epoch.cpu_time_s >= 0


def test_training_leaves_torchs_generator_alone(data: Split) -> None:
    """Shuffling draws from a generator of its own."""
    before = torch.get_rng_state()
    trainer(data).epoch()
    assert torch.equal(torch.get_rng_state(), before)


def test_single_sample_trains(data: Split) -> None:
    """One training sample is enough for a step."""
    assert np.isfinite(trainer(Split(data.train.take(slice(1)), data.test)).epoch().loss)


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (Sgd, torch.optim.SGD, {"momentum": 0.0}),
        (Sgd, torch.optim.SGD, {"momentum": 0.9}),
        (Adam, torch.optim.Adam, {}),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_optimizers_are_torchs_own_to_the_last_bit(
    ours: type[torch.optim.Optimizer],
    theirs: type[torch.optim.Optimizer],
    options: dict[str, Any],
    dtype: torch.dtype,
) -> None:
    """After twenty steps on the same gradients every weight and every state is that of torch's optimizer."""
    trained = []
    for optimizer in (ours, theirs):
        network = initial_network(SIZES, ACTIVATIONS, 1).to(dtype)
        stepper = optimizer(network.parameters(), lr=0.05, **options)  # type: ignore[call-arg]  # of the two classes
        x = torch.from_numpy(np.random.default_rng(2).normal(size=(20, 8, 4))).to(dtype)
        for batch in x:
            stepper.zero_grad()
            network(batch).square().sum().backward()
            stepper.step()
        trained.append([*network.parameters(), *(one for state in stepper.state.values() for one in state.values())])
    assert len(trained[0]) == len(trained[1])
    for one, other in zip(*trained, strict=True):
        assert one is other is None or torch.equal(one, other)


def test_training_does_not_import_what_compiles() -> None:
    """torch._dynamo takes three seconds to import, and nothing is compiled."""
    code = """
import sys
from significand.plan.setup import Perceptron, Setup
from significand.workload.mlp import MlpMaterial
for optimizer in ("sgd", "adam"):
    for mode in ("float32", "float16"):
        workload = Perceptron((4, 3), ("softmax",), "synthetic", 8, 0.5, 1, optimizer, 0.1, 0.9)
        material = MlpMaterial(workload, None)
        material.new_trainer(Setup(workload, mode, "torch", 4, 1), 1, material.split(1).train).epoch()
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_dropout_is_decided_by_the_seed_alone(data: Split) -> None:
    """What training draws from torch's global generator follows the seed, and a clone disturbs nobody."""

    def losses(seed: int, *, with_clones: bool) -> list[float]:
        network = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 3))
        with torch.no_grad():
            for weights in network.parameters():
                weights.fill_(0.1)
        learner = Trainer(
            network,
            MlpRecipe(("linear",)),
            MODES["float32"],
            data.train,
            batch_size=16,
            optimizer=flag_optimizer("sgd", 0.05, 0.9),
            learning_rate=0.05,
            seed=seed,
        )
        found = []
        for _ in range(3):
            if with_clones:
                learner.clone().epoch()
            torch.rand(7)  # somebody else draws
            found.append(learner.epoch().loss)
        return found

    before = torch.get_rng_state()
    first = losses(1, with_clones=False)
    assert first == losses(1, with_clones=True) != losses(2, with_clones=False)
    torch.set_rng_state(before)
