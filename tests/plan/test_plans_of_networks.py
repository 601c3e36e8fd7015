"""Behaviour of plans for networks that are no perceptron, and of the settings of a user's model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NO_DATA
from significand.plan.experiment import Experiment, plan_experiment, stored_experiment
from significand.plan.kinds import Settings, settings
from significand.plan.problems import PlanError
from significand.plan.setup import Network


def planned(**fields: object) -> Experiment:
    """Plan an experiment on the built-in CNN, or another network."""
    engines = replace(NO_DATA, engines_of_modules=frozenset({"torch"}))
    return plan_experiment({"model": "cnn"} | fields, engines)


def mistakes(**fields: object) -> list[str]:
    """Return the lines of a plan that is refused."""
    with pytest.raises(PlanError) as caught:
        planned(**fields)
    return list(caught.value.problems)


NAMES = st.sampled_from(["width", "depth", "größe", "_x"])
VALUES = st.one_of(
    st.integers(-100, 100), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.just("relu")
)


@given(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3, unique_by=str), max_size=3))
def test_settings_read_what_they_write(wanted: dict[str, list[object]]) -> None:
    """Every combination once; held, written to a flag or stored in a list, it is read as the same."""
    kind = Settings()
    held = kind.read(wanted)
    assert kind.read(kind.written(held)) == held == kind.read(list(held))
    assert len(set(held)) == len(held)
    for text in held:
        for name, value in settings(text).items():
            assert str(value) in map(str, wanted[name])


@pytest.mark.parametrize("given", ["width", "=3", "width=", "two words=3", 5, {"width": "a;b"}, ["width=1", "width=1"]])
def test_settings_that_set_nothing_are_refused(given: object) -> None:
    """Each is one line with what came."""
    with pytest.raises(ValueError, match=r"give|leave") as caught:
        Settings().read(given)
    assert "\n" not in str(caught.value)


def test_several_values_of_a_setting_are_an_axis() -> None:
    """Each combination is a setup, with what the model is called with in its name."""
    plan = planned(set="width=8,16", precision_modes=["float32", "int8"])
    assert [setup.name for setup in plan.setups()] == [
        *("float32-width=8", "int8-width=8"),
        *("float32-width=16", "int8-width=16"),
    ]
    assert isinstance(plan.workload, Network)
    assert stored_experiment(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"hidden": [8]}, "hidden"),
        ({"layer_sizes": [4, 2]}, "layer_sizes"),
        ({"activations": ["relu"]}, "activations"),
        ({"label_column": "y"}, "label_column"),
        ({"shape": ["seq=3"]}, "shape"),
        ({"model": "net.onnx", "epochs": 3}, "epochs"),
        ({"model": "net.onnx", "optimizer": "adam"}, "optimizer"),
        ({"model": "net.onnx", "set": "width=3"}, "set"),
        ({"model": "mlp", "set": "width=3"}, "set"),
        ({"model": "net.onnx", "engine": ["torch"]}, "engine"),
        ({"data": "digits"}, "data"),
        ({"model": "cnnn"}, "model"),
        ({"model": " "}, "model"),
    ],
)
def test_what_would_be_ignored_is_refused(fields: dict[str, object], name: str) -> None:
    """A field that means nothing to this network is one line by its name."""
    (line,) = mistakes(**fields)
    assert line.startswith(f"{name}: ")


def test_every_mistake_is_told_at_once() -> None:
    """A line each, whatever the network."""
    lines = mistakes(hidden=[8], shape=["seq=3"], repeats=0)
    assert {line.partition(":")[0] for line in lines} == {"hidden", "shape", "repeats"}


@pytest.mark.parametrize("fields", [{"epochs": 0}, {"model": "net.onnx"}])
def test_what_is_not_trained_is_judged_by_what_is_held_out(fields: dict[str, object]) -> None:
    """There is no training accuracy: latency against what is held out, and metrics of training are refused."""
    plan = planned(**fields)
    assert (plan.epochs, plan.objectives) == (0, ("latency", "test_accuracy"))
    lines = mistakes(**fields, objectives=["latency", "accuracy"], until="1%", until_metric="train_time")
    assert [line.split(" ", 2)[:2] for line in lines] == [
        ["objectives:", "'accuracy'"],
        ["until_metric:", "'train_time'"],
    ]
