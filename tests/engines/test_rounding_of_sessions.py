"""The rounding check against what every engine really ran."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from conftest import setup_of
from made_up_networks import feeds, reference, written, xy
from significand.analysis.rounding import check_error, output_sensitivity
from significand.engines.base import ENGINES, get_engine
from significand.engines.operators import shares
from significand.plan.precision import MODES
from significand.plan.setup import Perceptron, Setup
from significand.workload.data import draw

pytestmark = pytest.mark.slow

SAMPLES = 400
NETWORKS = (
    ((64, 48, 10), ("relu", "softmax")),
    ((64, 10), ("softmax",)),
)
EVERY_PAIR = [(engine, mode) for engine, entry in ENGINES.items() for mode in entry.modes]

# What the check promises to tell apart: what ran, and as what it was presented.
TOLD_APART = [
    *itertools.product(["float32"], ["float64", "float16", "bfloat16", "int8"]),
    *itertools.product(["float16", "bfloat16", "int8"], ["float32"]),
]


@dataclass(frozen=True)
class Ran:
    """A session that ran: what its setup, engine's word and error were."""

    setup: Setup
    effective_precision: str
    error: float
    sensitivity: float

    @property
    def infers_in(self) -> str:
        """The format of the setup's mode."""
        return MODES[self.setup.precision].infers_in

    def judged_as(self, weights_format: str, effective_precision: str) -> str:
        """Return the verdict on the error when these are the formats claimed."""
        workload = self.setup.workload
        assert isinstance(workload, Perceptron)
        return check_error(self.error, weights_format, effective_precision, workload.layer_sizes, self.sensitivity)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """Run the networks on every engine in every mode."""
    folder = tmp_path_factory.mktemp("networks")
    ran = []
    for layer_sizes, activations in NETWORKS:
        x, _ = xy(draw(None, layer_sizes, 2 * SAMPLES, 0.5, seed=5).test)
        exact = reference(setup_of(layer_sizes, activations, "float32"), x, seed=5)
        sensitivity = output_sensitivity(exact, activations[-1])
        for engine_name, mode in EVERY_PAIR:
            engine = get_engine(engine_name)
            setup = setup_of(layer_sizes, activations, mode, engine_name)
            path = written(engine, setup, folder, x, seed=5)
            effective = "+".join(shares(engine.computes_in(path, setup, feeds(x))))
            (outputs,) = engine.open(path, setup).predict(feeds(x))
            error = float(np.linalg.norm(outputs - exact) / np.linalg.norm(exact))
            ran.append(Ran(setup, effective, error, sensitivity))
    return ran


def test_every_real_session_is_honest(sessions: list[Ran]) -> None:
    """What every engine says that it ran in fits the error of its outputs."""
    assert len(sessions) == len(NETWORKS) * len(EVERY_PAIR)
    assert [one for one in sessions if one.judged_as(one.infers_in, one.effective_precision)] == []


@pytest.mark.parametrize(("ran", "presented"), TOLD_APART)
def test_swapped_sessions_are_found_out(ran: str, presented: str, sessions: list[Ran]) -> None:
    """An error made in one format and presented as another's is flagged."""
    swapped = [one for one in sessions if one.infers_in == ran]
    assert swapped
    assert [one for one in swapped if not one.judged_as(presented, presented)] == []


def test_bfloat16_is_no_float16_in_one_layer(sessions: list[Ran]) -> None:
    """Formats only a factor of 8 apart are told apart where no second layer amplifies errors."""
    ran = [one for one in sessions if one.infers_in == one.effective_precision == "bfloat16"]
    swapped = [one for one in ran if len(one.setup.workload.activations) == 1]
    assert swapped
    assert all(one.judged_as("float16", "float16") for one in swapped)
