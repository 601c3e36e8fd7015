"""Behaviour of fitting an experiment to what its network is."""

from dataclasses import replace

import pytest

from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError
from significand.runner.fitting import fitted
from significand.workload.examined import Examined

NETWORK = Examined(
    inputs={"input": ((4,), "float32")},
    targets={"target": ((), "int64")},
    outputs=(((3,), "float32"),),
    n_train=41,
    n_test=None,
    score="accuracy",
    per_example=True,
    classes=3,
    parameters=15,
    size_mb=0.0,
    forward_s=1e-4,
    threads_started=False,
    data_sha256="",
    notes=(),
    not_alone="the forward of model() raised ValueError",
)


def planned(**fields: object) -> Experiment:
    """Return an experiment on a network of a file."""
    return replace(Experiment(model="net.py", n_samples=None, epochs=1), **fields)  # type: ignore[arg-type]


def test_batches_that_leave_one_example_over_are_refused_where_it_cannot_be_trained_on() -> None:
    """33 of 41 examples are trained on, and 32 and 16 leave one over; each size has its line."""
    with pytest.raises(PlanError) as caught:
        fitted(planned(batch_size=(32, 31, 16)), NETWORK)
    first, second = caught.value.problems
    assert first.startswith("batch_size: 32 leaves a last batch of 1 of 33 training examples, and the forward of")
    assert second.startswith("batch_size: 16 leaves")


@pytest.mark.parametrize(
    ("fields", "examined"),
    [
        ({"batch_size": (31,)}, NETWORK),
        ({"epochs": 0}, NETWORK),
        ({"n_samples": 40}, NETWORK),
        ({}, replace(NETWORK, n_test=10)),
        ({}, replace(NETWORK, not_alone="")),
    ],
)
def test_all_others_are_taken(fields: dict[str, object], examined: Examined) -> None:
    """No batch of one, nothing trained, or nothing against it."""
    assert fitted(planned(**fields), examined).n_samples == (40 if fields.get("n_samples") else 41)


def test_samples_are_as_many_as_the_larger_part_has() -> None:
    """Left out, they limit neither part; more than there are in both are refused."""
    network = replace(NETWORK, n_test=100, not_alone="")
    assert fitted(planned(), network).n_samples == 100
    assert fitted(planned(n_samples=60), network).n_samples == 60
    with pytest.raises(PlanError, match="n_samples: 101 exceeds the 100 examples there are; give at most 100"):
        fitted(planned(n_samples=101), network)
