import contextlib
import datetime as dt
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.plan import experiment as module
from significand.plan.config import read_config
from significand.plan.experiment import (
    DataFacts,
    Experiment,
    Surroundings,
    default_threads,
    given_fields,
    plan_experiment,
)
from significand.plan.options import OPTIONS
from significand.plan.precision import MODES
from significand.plan.problems import PlanError

ENGINE_MODES = {
    "onnxruntime": ("float64", "float32", "float16", "int8", "int8-dynamic"),
    "torch": ("float64", "float32", "bfloat16", "float16"),
}
DIGITS = DataFacts(n_samples=1797, n_features=64, n_classes=10)
CPUS = 4


@pytest.fixture(autouse=True)
def _four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the machine four CPUs."""
    monkeypatch.setattr(module, "available_cpus", lambda: CPUS)


def plan(facts: DataFacts | None = DIGITS, /, **fields: object) -> Experiment:
    """Plan with the engines above and data of the given facts."""
    return plan_experiment(fields, Surroundings(ENGINE_MODES, lambda name, column: facts))  # noqa: ARG005


def problems(facts: DataFacts | None = DIGITS, /, **fields: object) -> tuple[str, ...]:
    """Return what is wrong with a plan."""
    with pytest.raises(PlanError) as caught:
        plan(facts, **fields)
    return caught.value.problems


def test_everything_has_a_default() -> None:
    """An empty plan is the default experiment, with what depends on something else filled in."""
    experiment = plan()
    for name, option in OPTIONS.items():
        if option.default is not None:
            assert getattr(experiment, name) == option.default
    assert experiment.learning_rate == 0.01
    assert experiment.threads == default_threads()


BAD = [
    ({"layer_sizes": [64], "activations": ["relu"]}, ["layer_sizes: 64 has 1 entries; at least 2"]),
    ({"layer_sizes": []}, ["layer_sizes: nothing has 0 entries; at least 2"]),
    ({"layer_sizes": [64, 0, 10]}, ["layer_sizes: 64-0-10 has the entry 0; every layer needs at least 1"]),
    ({"layer_sizes": "64x-5x10"}, ["layer_sizes: 64--5-10 has the entry -5; every layer needs at least 1"]),
    ({"activations": ["relu"]}, ["activations: 1 given (relu), 2 needed", "each transition of 64-128-10"]),
    ({"activations": []}, ["activations: 0 given", "2 needed"]),
    ({"activations": ["rellu", "softmax"]}, ["activations: 'rellu'", "did you mean 'relu'?", "allowed: relu, leaky"]),
    ({"precision_modes": ["float23"]}, ["precision_modes: 'float23'", "did you mean 'float32'?", "allowed: float64"]),
    ({"precision_modes": ["int8", "int8"]}, ["precision_modes: 'int8' is given 2 times; name each mode once"]),
    ({"precision_modes": ["bfloat16"]}, ["'bfloat16' cannot run on the engine 'onnxruntime'", "that can: torch"]),
    ({"precision_modes": []}, ["precision_modes: none given; name at least one of float64"]),
    ({"engine": "tourch"}, ["engine: 'tourch'", "did you mean 'torch'?", "allowed: onnxruntime, torch"]),
    ({"n_samples": 9}, ["n_samples: 9 is smaller than the 10 classes; give at least 10"]),
    ({"n_samples": 2000}, ["n_samples: 2000 exceeds the 1797 samples of 'digits'; give at most 1797"]),
    ({"wats_per_core": 5}, ["wats_per_core: is not a field", "did you mean 'watts_per_core'?", "known: layer_sizes"]),
    ({"threads": CPUS + 1}, ["threads: 5 exceeds the 4 CPUs", "give at most 4"]),
    ({"optimizer": "lion"}, ["optimizer: 'lion' is not known; allowed: 'sgd' or 'adam'"]),
    ({"data": "digit"}, ["data: 'digit' is neither", "did you mean 'digits'?"]),
    ({"momentum": 1}, ["momentum: 1 is out of range; give less than 1"]),
    ({"learning_rate": 0}, ["learning_rate: 0 is out of range; give more than 0"]),
    ({"test_fraction": 1.0}, ["test_fraction: 1.0 is out of range; give less than 1"]),
    ({"round_duration_s": 61}, ["round_duration_s: 61 is out of range; give at most 60"]),
    ({"baseline": "int9"}, ["baseline: 'int9' is not among the precision modes", "did you mean 'int8'?"]),
    ({"objectives": "latency,akkuracy"}, ["objectives: 'akkuracy'", "did you mean 'accuracy'?", "allowed: latency"]),
    ({"objectives": ["latency"]}, ["objectives: latency given; name two or more, each once"]),
    ({"margin": "-2%"}, ["margin: '-2%' is out of range; give more than 0"]),
    ({"margin": 2}, ["margin: 2 would be 200 %; write 2% or 200%, as you mean it"]),
    ({"until": "5"}, ["until: '5' would be 500 %; write 5% or 500%, as you mean it"]),
    ({"until": "much%"}, ["until: 'much%' is not a finite number; give a plain number"]),
    ({"until": 1}, ["until: 1 would be 100 %; write 1% or 100%, as you mean it"]),
    ({"max_repeats": 0, "until": "1%"}, ["max_repeats: 0 is out of range; give at least 1"]),
    ({"seed": -1}, ["seed: -1 is out of range; give at least 0"]),
    ({"seed": 2**31}, ["seed: 2147483648 is out of range; give less than 2147483648"]),
    ({"layer_sizes": [32, 10], "activations": "softmax"}, ["data: 'digits' has 64 features", "begins with 32"]),
    ({"layer_sizes": [64, 9], "activations": "softmax"}, ["data: 'digits' has 10 classes", "end layer_sizes with 10"]),
]


@pytest.mark.parametrize(("fields", "parts"), BAD, ids=[f"{fields}" for fields, _ in BAD])
def test_mistake_is_one_line_that_names_field_value_and_remedy(fields: dict[str, object], parts: list[str]) -> None:
    """A mistake is one line with the field, the value, what is allowed and what to do."""
    (line,) = problems(**fields)
    assert "\n" not in line
    assert line.startswith((f"{next(iter(fields))}: ", "data: "))
    assert [part for part in parts if part not in line] == []


COUNTS = ("batch_size", "n_samples", "epochs", "repeats", "threads", "latency_rounds")


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [0, -3])
def test_count_below_one_is_refused(field: str, value: int) -> None:
    """Nothing that is counted may be below 1."""
    assert problems(**{field: value}) == (f"{field}: {value} is out of range; give at least 1",)


@pytest.mark.parametrize("field", [*COUNTS, "seed"])
@pytest.mark.parametrize("value", ["abc", "", "3.5", 3.5, [], [3], {}, {"a": 1}, dt.date(2026, 1, 1), math.nan])
def test_what_is_no_whole_number_is_refused(field: str, value: object) -> None:
    """Text, fractions and TOML's other types are no counts."""
    (line,) = problems(**{field: value})
    assert line.startswith(f"{field}: {value!r} is not a ")
    assert "number; give a " in line


@pytest.mark.parametrize("field", ["learning_rate", "momentum", "watts_per_core", "step_timeout_s"])
@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, "nan", "abc", [], {}, dt.datetime(2026, 1, 1)],  # noqa: DTZ001
)
def test_what_is_no_finite_number_is_refused(field: str, value: object) -> None:
    """NaN, infinity, text and TOML's other types are no real numbers."""
    assert problems(**{field: value}) == (f"{field}: {value!r} is not a finite number; give a plain number",)


@pytest.mark.parametrize("field", ["batch_size", "seed", "learning_rate", "momentum"])
@pytest.mark.parametrize("value", [True, False])
def test_truth_value_is_no_number(field: str, value: bool) -> None:
    """True is not taken for 1."""
    assert problems(**{field: value}) == (f"{field}: {value} is not a number; give a number",)


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("layer_sizes", 5, "5 is not a list; give a list"),
        ("layer_sizes", {"64": 1, "10": 2}, "{'64': 1, '10': 2} is not a list; give a list"),
        ("layer_sizes", [[64, 10]], "[64, 10] is not a whole number; give a whole number"),
        ("layer_sizes", [64, True, 10], "True is not a number; give a number"),
        ("layer_sizes", [64, None, 10], "None is not a whole number; give a whole number"),
        ("layer_sizes", np.array(3.5), "array(3.5) is not a list; give a list"),
        ("layer_sizes", {64}, "{64} has no order; give a list"),
        ("activations", {"relu": 1}, "{'relu': 1} is not a list; give a list"),
        ("activations", [["relu"], "softmax"], "['relu'] is not a text; give a text"),
        ("precision_modes", {"float32"}, "{'float32'} has no order; give a list"),
        ("precision_modes", [5], "5 is not a text; give a text"),
        ("engine", ["torch"], "['torch'] is not a text; give a text"),
        ("data", dt.date(2026, 1, 1), "datetime.date(2026, 1, 1) is not a text; give a text"),
        ("label_column", 3, "3 is not a text; give a text"),
        ("batch_size", np.array([1, 2]), "array([1, 2]) is not a whole number; give a whole number"),
        ("batch_size", 10**30, f"{10**30} is out of range; give less than 2147483648"),
    ],
)
def test_value_of_another_type_is_refused(field: str, value: object, line: str) -> None:
    """A list, table or date where something else belongs is said, never a traceback of another kind."""
    assert problems(**{field: value}) == (f"{field}: {line}",)


@given(
    st.dictionaries(
        st.sampled_from(list(OPTIONS)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates() | st.binary(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_no_value_breaks_the_checks(fields: dict[str, object]) -> None:
    """Whatever stands in a TOML file, the answer is an experiment or a PlanError."""
    with contextlib.suppress(PlanError):
        plan(**fields)
        return
    found = problems(**fields)
    assert found
    assert all(line.split(":")[0] in OPTIONS for line in found)


@pytest.mark.parametrize("given", ["2%", " 2 %", 0.02, "0.02"])
def test_shares_may_be_given_in_per_cent(given: object) -> None:
    """A margin of 2 % may be written so, or as 0.02."""
    assert plan(margin=given).margin == pytest.approx(0.02)


def test_going_on_until_needs_room_to_go_on() -> None:
    """With `until` there are at least ten repeats, so fewer at most are refused."""
    (line,) = problems(until="1%", max_repeats=9)
    assert line == "max_repeats: 9 is too few with until, which needs 10 repeats; give at least 10"
    assert plan().most_repeats == 5
    assert (plan(until="1%", repeats=20).fewest_repeats, plan(until="1%").most_repeats) == (20, 100)


def test_what_only_until_would_use_is_refused_without_it() -> None:
    """A limit that nothing would ever reach is no limit: each is named, with the remedy, beside all other mistakes."""
    found = problems(max_time_s=60, max_repeats=9, until_metric="memory", seed=-1)
    assert found == (
        "seed: -1 is out of range; give at least 0",
        "until_metric: 'memory' means nothing without until; give until, such as 1%, or leave until_metric out",
        "max_repeats: 9 means nothing without until; give until, such as 1%, or leave max_repeats out",
        "max_time_s: 60 means nothing without until; give until, such as 1%, or leave max_time_s out",
    )
    assert plan(max_time_s=None).max_time_s is None


def test_a_stored_experiment_can_be_planned_again() -> None:
    """The fields that a finished plan writes down make the same plan, with `until` and without it."""
    for experiment in (plan(), plan(until="1%", max_repeats=50)):
        assert plan(**given_fields(experiment.model_dump())) == experiment


def test_all_mistakes_are_reported_together() -> None:
    """One error holds every mistake of a plan, also several of one field."""
    found = problems(
        layer_sizes=[64, 0],
        activations=["rellu", "softmx"],
        precision_modes=["float31", "int8", "int8"],
        batch_size=0,
        epochs="many",
        learning_rate=math.inf,
        colour="red",
    )
    fields = [line.split(":")[0] for line in found]
    assert sorted(fields) == sorted(
        [
            "layer_sizes",
            *2 * ["activations"],
            *2 * ["precision_modes"],
            "batch_size",
            "epochs",
            "learning_rate",
            "colour",
        ]
    )


def test_error_text_is_its_problems_line_by_line() -> None:
    """The error's text shows all problems, one a line."""
    assert str(PlanError(["a: first", "b: second"])) == "a: first\nb: second"


@pytest.mark.parametrize("last", ["relu", "softmax", "linear"])
def test_single_output_needs_a_sigmoid(last: str) -> None:
    """One output with anything but a sigmoid cannot tell two classes apart."""
    (line,) = problems(None, layer_sizes=[4, 1], activations=[last], data="synthetic")
    assert line.startswith(f"activations: the last is {last!r} with a single output")
    assert "use 'sigmoid'" in line


def test_single_output_tells_two_classes() -> None:
    """One output with a sigmoid fits data of two classes, and needs at least two samples."""
    two_classes = DataFacts(n_samples=100, n_features=4, n_classes=2)
    fields: dict[str, object] = {"layer_sizes": [4, 1], "activations": ["sigmoid"]}
    assert plan(two_classes, **fields).layer_sizes == (4, 1)
    (line,) = problems(two_classes, **fields, n_samples=1)
    assert "smaller than the 2 classes" in line


def test_features_and_classes_are_compared_with_the_data() -> None:
    """Both ends of the network must fit the data, and both misfits are said."""
    found = problems(layer_sizes=[32, 9], activations=["softmax"])
    assert ["features" in line for line in found] == [True, False]
    assert ["classes" in line for line in found] == [False, True]


def test_data_made_to_fit_has_no_facts_to_compare() -> None:
    """Synthetic data fits any network and any number of samples."""
    fitted = plan(None, data="synthetic", layer_sizes=[3, 7], activations=["softmax"], n_samples=10**6)
    assert fitted.n_samples == 10**6


def test_what_is_wrong_with_a_file_is_part_of_the_report() -> None:
    """Problems found in the data stand among those of the plan, under the field data."""

    def inspect_data(name: str, column: str | None) -> DataFacts:
        raise PlanError([f"{name!r} has no column {column!r}", "and more"])

    with pytest.raises(PlanError) as caught:
        plan_experiment({"data": "a.csv", "label_column": "z", "epochs": 0}, Surroundings(ENGINE_MODES, inspect_data))
    assert caught.value.problems == (
        "data: 'a.csv' has no column 'z'",
        "data: and more",
        "epochs: 0 is out of range; give at least 1",
    )


@pytest.mark.parametrize(
    ("field", "given", "python"),
    [
        ("layer_sizes", "64-128-10", (64, 128, 10)),
        ("layer_sizes", "64x128x10", (64, 128, 10)),
        ("layer_sizes", "64,128,10", (64, 128, 10)),
        ("layer_sizes", ["64", "128", "10"], (64, 128, 10)),
        ("layer_sizes", np.array([64, 128, 10]), (64, 128, 10)),
        ("layer_sizes", [np.int64(64), 128, np.int32(10)], (64, 128, 10)),
        ("activations", "relu,softmax", ("relu", "softmax")),
        ("activations", "relu, softmax", ("relu", "softmax")),
        ("precision_modes", "float32,int8", ("float32", "int8")),
        ("batch_size", "5", 5),
        ("batch_size", np.int64(5), 5),
        ("seed", np.uint8(5), 5),
        ("learning_rate", "0.1", 0.1),
        ("learning_rate", 1, 1.0),
        ("learning_rate", np.float64(0.1), 0.1),
    ],
)
def test_text_and_numpy_forms_parse_like_python_forms(field: str, given: object, python: object) -> None:
    """Flags, TOML and NumPy values give the same experiment as plain Python values, in plain Python types."""
    parsed = getattr(plan(**{field: given}), field)
    assert parsed == python
    assert type(parsed) is type(python)


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.01), ("adam", 0.001)])
def test_learning_rate_defaults_to_the_optimizers(optimizer: str, rate: float) -> None:
    """Each optimizer has its own default step size, which a given one replaces."""
    assert plan(optimizer=optimizer).learning_rate == rate
    assert plan(optimizer=optimizer, learning_rate=0.5).learning_rate == 0.5


@given(st.permutations([mode for mode in MODES if mode != "bfloat16"]))
def test_setups_stand_in_the_order_of_the_modes(modes: list[str]) -> None:
    """There is one setup per mode, in the order given, otherwise all alike."""
    experiment = plan(precision_modes=modes, batch_size=7)
    setups = experiment.setups()
    assert [setup.precision_mode for setup in setups] == modes
    assert {(setup.layers, setup.batch_size, setup.threads) for setup in setups} == {
        ("64x128x10", 7, experiment.threads)
    }


def test_experiment_without_surroundings_is_refused() -> None:
    """An experiment cannot be made past its checks."""
    with pytest.raises(TypeError, match="plan_experiment"):
        Experiment()


def test_unknown_keys_of_a_config_are_left_to_the_plan(tmp_path: Path) -> None:
    """A misspelt key of a TOML file is reported with the nearest name."""
    config = tmp_path / "plan.toml"
    config.write_text("repeat = 3\n", encoding="utf-8")
    assert "did you mean 'repeats'?" in problems(**read_config(config))[0]


HUGE = 10**7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("baseline", "x" * HUGE),
        ("engine", "x" * HUGE),
        ("data", "x" * HUGE),
        ("optimizer", "x" * HUGE),
        ("activations", ["x" * HUGE, "softmax"]),
        ("precision_modes", "x" * HUGE),
        ("objectives", ["latency", "x" * HUGE]),
        ("until", "0" * HUGE + "5"),
        ("label_column", ["x" * HUGE]),
        ("layer_sizes", "-".join(["64"] * HUGE)),
        ("layer_sizes", [10] * 20_000),
        ("layer_sizes", [64, 10**5000, 10]),
        ("activations", ["relu"] * 300_000),
        ("precision_modes", [f"mode{number}" for number in range(9_000)]),
        ("precision_modes", ["float32"] * 9_000),
        ("objectives", [f"objective{number}" for number in range(300_000)]),
        ("x" * HUGE, 1),
        ("seed", {"a": list(range(HUGE // 10))}),
    ],
)
def test_a_value_of_any_size_is_a_few_short_lines(field: str, value: object) -> None:
    """Megabytes, thousands of entries and numbers without end are told as shortly as anything else, and soon."""
    lines = problems(**{field: value})
    assert len(lines) < 15
    assert sum(map(len, lines)) < 12_000
    assert all(line.startswith(f"{field[:80]}: ") for line in lines)


def test_hundreds_of_thousands_of_unknown_fields_are_a_few_lines() -> None:
    """The first are named, with what they may have meant; the fields that are known are checked all the same."""
    unknown = {f"epoch{number}": 1 for number in range(300_000)}
    lines = problems(**unknown, seed=-1)
    assert lines[0] == "seed: -1 is out of range; give at least 0"
    assert lines[1].startswith("epoch0: is not a field of an experiment (did you mean 'epochs'?); known: layer_sizes, ")
    assert lines[11:] == ("299990 more names are not fields of an experiment; correct these first",)
