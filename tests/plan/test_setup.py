"""Behaviour of setups: which are equal, and what they are called."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.meters.steps import NoisePolicy
from significand.plan.setup import AXES, Perceptron, Protocol, Setup

NETWORK = Perceptron((64, 128, 10), ("relu", "softmax"), "digits", 512, 0.2, 2, "sgd", 0.01, 0.9)
PLAIN = Setup(NETWORK, "int8", "onnxruntime", batch_size=32, threads=2)
OTHERS: dict[str, object] = {
    "options": "width=64",
    "precision": "float32",
    "engine": "torch",
    "device": "gpu",
    "batch_size": 8,
    "threads": 1,
    "calibration_samples": 512,
    "variant": "again",
}


def test_every_field_that_tells_setups_apart_is_an_axis() -> None:
    """All fields are axes but what all setups of an experiment share, the self-test's slowdown and the name."""
    assert {field.name for field in fields(Setup)} - set(AXES) == {"workload", "slowdown", "name"}
    assert set(OTHERS) == set(AXES)


@pytest.mark.parametrize("axis", AXES)
def test_the_key_tells_every_axis(axis: str) -> None:
    """It is the same for equal setups, whatever they are called, and another where any axis has another value."""
    other = replace(PLAIN, **{axis: OTHERS[axis]})  # type: ignore[arg-type]  # of the axis's type
    assert other.key != PLAIN.key
    assert len(other.key) == len(AXES)
    assert all(isinstance(value, str) for value in other.key)
    assert replace(PLAIN, name="else").key == PLAIN.key


def test_the_key_is_the_same_in_any_experiment() -> None:
    """Another workload, as another number of samples, makes another setup with the same key."""
    elsewhere = replace(PLAIN, workload=replace(NETWORK, n_samples=100))
    assert elsewhere != PLAIN
    assert elsewhere.key == PLAIN.key


def test_equal_setups_are_equal_and_hash_alike_whatever_they_are_called() -> None:
    """A setup is a value: it can be a key, and its name is no part of it."""
    again = replace(PLAIN, name="else")
    assert again == PLAIN
    assert len({again, PLAIN}) == 1
    assert replace(PLAIN, slowdown=0.0) != PLAIN


def test_by_itself_a_setup_is_called_by_precision_and_variant() -> None:
    """Where nothing else varies nothing else is told."""
    assert PLAIN.name == "int8"
    assert replace(PLAIN, variant="again", name="").name == "int8-again"


@pytest.mark.parametrize(
    ("varying", "name"),
    [
        ((), "int8-again"),
        (("precision",), "int8-again"),
        (("engine",), "int8-onnxruntime-again"),
        (("threads", "batch_size"), "int8-b32-t2-again"),
        (AXES, "int8-onnxruntime-cpu-b32-t2-c1024-again"),
    ],
)
def test_names_tell_the_axes_that_vary(varying: tuple[str, ...], name: str) -> None:
    """In the order of the axes, numbers with a letter; a variant is always told."""
    setup = replace(PLAIN, variant="again").named(frozenset(varying))
    assert setup.name == name
    assert setup == replace(PLAIN, variant="again")


SETUPS = st.builds(
    Setup,
    st.just(NETWORK),
    st.sampled_from(["float32", "int8", "int8-dynamic"]),
    st.sampled_from(["onnxruntime", "torch"]),
    batch_size=st.sampled_from([1, 2, 12]),
    threads=st.sampled_from([1, 2]),
    device=st.sampled_from(["cpu", "gpu"]),
    calibration_samples=st.sampled_from([None, 32, 512]),
)


@given(st.lists(SETUPS, unique=True))
def test_different_setups_of_an_experiment_have_different_names(setups: list[Setup]) -> None:
    """Named by the axes on which they differ, no two go by the same name: it is that of their files."""
    varying = frozenset(axis for axis in AXES if len({getattr(setup, axis) for setup in setups}) > 1)
    assert len({setup.named(varying).name for setup in setups}) == len(setups)


@pytest.mark.parametrize("precision", ["float32", "int8-dynamic", "int4"])
def test_a_mode_that_takes_no_scales_from_examples_has_no_number_of_them(precision: str) -> None:
    """Setups that are given different ones are the same setup, and it is not called by it."""
    one, other = (replace(PLAIN, precision=precision, calibration_samples=n, name="") for n in (32, 512))
    assert one == other
    assert one.key == other.key
    assert one.calibration_samples is None
    assert one.named(frozenset({"calibration_samples"})).name == precision
    assert replace(one, precision="int8:entropy").calibration_samples == 1024


def test_names_of_variants_can_be_those_of_files() -> None:
    """A colon, which some file systems refuse, is in no name."""
    assert replace(PLAIN, precision="int8:entropy", name="").name == "int8-entropy"
    assert replace(PLAIN, precision="int4:32").named(frozenset({"batch_size"})).name == "int4-32-b32"


def test_layers_are_written_as_in_tables() -> None:
    """Sizes with a cross between."""
    assert NETWORK.layers == "64x128x10"


def test_protocols_are_values() -> None:
    """Equal ones are equal: two experiments measured alike can be told to be."""
    assert Protocol(10, 0.03, NoisePolicy(), 600.0) == Protocol(10, 0.03, NoisePolicy(), 600.0)
