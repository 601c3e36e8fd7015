import subprocess
import sys
from dataclasses import fields

import pytest

from significand.cli.flags import Flags
from significand.plan.experiment import Experiment
from significand.plan.options import ACTIVATIONS, BUILT_IN_DATA, GROUPS, LEARNING_RATES, OPTIONS
from significand.plan.precision import MODES


def test_every_field_of_an_experiment_is_described_once() -> None:
    """What describes a field is the field itself: names, defaults and groups are those of the experiment."""
    own = {one.name: one.default for one in fields(Experiment) if one.name != "refused"}
    assert {name: option.default for name, option in OPTIONS.items()} == own
    assert {option.group for option in OPTIONS.values()} == set(GROUPS)


def test_every_field_is_a_flag() -> None:
    """The flags are made from the fields: each has one, under its name and its aliases."""
    assert [one.name for one in fields(Flags)] == list(OPTIONS)  # type: ignore[arg-type]  # a dataclass at run time


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.default is not None])
def test_a_default_survives_being_written_and_read(name: str) -> None:
    """What help shows as the default is a value that gives the default."""
    option = OPTIONS[name]
    assert option.kind.read(option.shown_default) == option.default


@pytest.mark.parametrize("name", OPTIONS)
def test_help_is_one_line_and_says_what_no_default_means(name: str) -> None:
    """Every option is explained in one line, and a default that depends on something else says on what."""
    option = OPTIONS[name]
    assert option.help
    assert "\n" not in option.help
    assert bool(option.otherwise) == (option.default is None)
    assert option.shown_default


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("layer_sizes", "by the data and hidden: 64-128-10 for digits"),
        ("engine", "onnxruntime"),
        ("batch_size", "32"),
        ("precision_modes", "float32,float16,int8"),
        ("repeats", "5"),
        ("seed", "42"),
        ("learning_rate", "0.01 for sgd, 0.001 for adam"),
    ],
)
def test_default_is_shown_as_a_flag_takes_it(name: str, shown: str) -> None:
    """Help shows a default in the form in which it can be given."""
    assert OPTIONS[name].shown_default == shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("activations", ACTIVATIONS),
        ("precision_modes", tuple(MODES)),
        ("data", BUILT_IN_DATA),
        ("optimizer", tuple(LEARNING_RATES)),
    ],
)
def test_help_names_every_choice(name: str, words: tuple[str, ...]) -> None:
    """An option with a fixed set of values names them all."""
    assert [word for word in words if word not in OPTIONS[name].help] == []


def test_options_import_nothing_heavy() -> None:
    """Help can be shown without NumPy, polars or torch."""
    code = "import sys, significand.plan.options; print(*{'numpy', 'polars', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
