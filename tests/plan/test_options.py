import subprocess
import sys

import pytest

from significand.plan.experiment import Experiment
from significand.plan.options import ACTIVATIONS, BUILT_IN_DATA, LEARNING_RATES, OPTION_GROUPS, OPTIONS
from significand.plan.precision import MODES


def test_every_field_of_an_experiment_is_an_option() -> None:
    """Options and the fields of an experiment have the same names, and each is in one group only."""
    assert sorted(name for group in OPTION_GROUPS.values() for name in group) == sorted(Experiment.model_fields)


@pytest.mark.parametrize("name", OPTIONS)
def test_default_is_that_of_the_experiment(name: str) -> None:
    """A default is the same in help and in an experiment."""
    assert OPTIONS[name].default == Experiment.model_fields[name].default


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
        ("hidden", "128"),
        ("objectives", "latency,accuracy"),
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
    """Help can be shown without NumPy, pydantic or torch."""
    code = "import sys, significand.plan.options; print(*{'numpy', 'pydantic', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
