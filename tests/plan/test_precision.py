import pytest

from significand.plan.precision import MODES

# DESIGN section 5, the second table: mode, trains in, infers in, quantisation.
DESIGNED = [
    ("float64", "float64", "float64", None),
    ("float32", "float32", "float32", None),
    ("bfloat16", "bfloat16", "bfloat16", None),
    ("float16", "float16", "float16", None),
    ("int8", "float32", "int8", "static"),
    ("int8-dynamic", "float32", "int8", "dynamic"),
]


def test_modes_are_those_of_the_design() -> None:
    """The table holds the designed modes, in order, each under its own name."""
    assert [(m.name, m.trains_in, m.infers_in, m.quantisation) for m in MODES.values()] == DESIGNED
    assert [mode.name for mode in MODES.values()] == list(MODES)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("bfloat16", "bfloat16 autocast"),
        ("float16", "float16 autocast, loss scaling"),
        ("int8", "float32"),
        ("int8-dynamic", "float32"),
    ],
)
def test_training_numerics_in_words(name: str, words: str) -> None:
    """The 16-bit formats train under autocast, and float16 alone with loss scaling."""
    mode = MODES[name]
    assert mode.training_precision == words
    assert mode.autocast == ("autocast" in words)
    assert mode.loss_scaling == ("loss scaling" in words)
