import pytest

from significand.plan.precision import MODES, ModeName

# DESIGN section 5, the second table: mode, trains in, infers in, quantisation.
DESIGNED = [
    ("float64", "float64", "float64", None),
    ("float32", "float32", "float32", None),
    ("bfloat16", "bfloat16", "bfloat16", None),
    ("float16", "float16", "float16", None),
    ("int8", "float32", "int8", "static"),
    ("int8-dynamic", "float32", "int8", "dynamic"),
    ("int8-weights", "float32", "int8", "weights"),
    ("int4", "float32", "int4", "weights"),
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


def test_variants_are_found_and_not_listed() -> None:
    """Whoever goes through the modes sees each once; a variant is its mode with an option."""
    assert [name for name in MODES if ":" in name] == []
    assert MODES["int8:entropy"].calibration == "entropy"
    assert MODES["int4:128"].block_size == MODES["int8-weights:128"].block_size == 128
    assert {MODES[name].infers_in for name in MODES.variants("int8")} == {"int8"}
    assert {MODES[name].base for name in MODES.variants("int4")} == {"int4"}
    assert "int8-dynamic:entropy" not in MODES
    assert "float32:32" not in MODES


@pytest.mark.parametrize(("short", "told"), [("int8", "int8:minmax"), ("int4", "int4:32")])
def test_a_mode_is_its_variant_with_the_usual_option(short: str, told: str) -> None:
    """Both are the same mode by two names; another option makes another mode."""
    assert MODES[short] == MODES[told]
    assert len({MODES[name] for name in MODES.variants(short)}) == len(MODES.variants(short))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("int8:entropie", ["is not a variant of int8", "did you mean 'int8:entropy'?", "allowed: int8, int8:minmax, "]),
        ("int4:33", ["is not a variant of int4", "allowed: int4, int4:16, int4:32, int4:64, int4:128, int4:256"]),
        ("float32:16", ["is not a variant of float32", "allowed: float32"]),
        ("itn8:entropy", ["is not a precision mode", "did you mean 'int8:entropy'?", "allowed: float64, "]),
        ("int4:", ["is not a variant of int4"]),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest_and_those_allowed(name: str, parts: list[str]) -> None:
    """A variant that there is not names those of its mode; any other name the modes."""
    with pytest.raises(ValueError, match="is not a") as caught:
        ModeName().read(name)
    assert [part for part in parts if part not in str(caught.value)] == []
