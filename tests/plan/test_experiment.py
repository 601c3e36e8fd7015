import contextlib
import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NO_DATA
from significand.plan import experiment as module
from significand.plan.config import read_config
from significand.plan.experiment import (
    DataFacts,
    Experiment,
    Surroundings,
    TableFormat,
    default_threads,
    given_fields,
    plan_experiment,
    resumed_fields,
    stored_experiment,
)
from significand.plan.options import OPTIONS
from significand.plan.precision import MODES
from significand.plan.problems import PlanError

ENGINE_MODES = {
    "onnxruntime": ("float64", "float32", "float16", "int8", "int8-dynamic", "int8:minmax", "int8:entropy"),
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
    return plan_experiment(fields, Surroundings(ENGINE_MODES, lambda name, form: facts))  # noqa: ARG005


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
    assert experiment.threads == (default_threads(),)
    assert experiment.baseline == (("precision", "float32"),)


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
    ({"precision_modes": ["int8", "int8:minmax"]}, ["'int8:minmax' is the same as 'int8'; give one of the two"]),
    ({"precision_modes": ["int8:entropie"]}, ["'int8:entropie'", "did you mean 'int8:entropy'?", "allowed: int8, "]),
    ({"precision_modes": ["int8:nncf"]}, ["'int8:nncf' cannot run on the engine 'onnxruntime'", "that can: none"]),
    ({"calibration_samples": 64, "precision_modes": "float32"}, ["64 given, and float32 take no scales", "leave it"]),
    ({"precision_modes": ["bfloat16"]}, ["'bfloat16' cannot run on the engine 'onnxruntime'", "that can: torch"]),
    ({"precision_modes": []}, ["precision_modes: none given; name at least one of float64"]),
    ({"engine": "tourch"}, ["engine: 'tourch'", "did you mean 'torch'?", "allowed: onnxruntime, torch"]),
    ({"n_samples": 9}, ["n_samples: 9 is smaller than the 10 classes; give at least 10"]),
    ({"n_samples": 2000}, ["n_samples: 2000 exceeds the 1797 samples of 'digits'; give at most 1797"]),
    ({"wats_per_core": 5}, ["wats_per_core: is not a field", "did you mean 'watts_per_core'?", "known: model"]),
    ({"threads": CPUS + 1}, ["threads: 5 exceeds the 4 CPUs", "give at most 4"]),
    ({"optimizer": "lion"}, ["optimizer: 'lion' is not known; allowed: 'sgd' or 'adam'"]),
    ({"data": "digit"}, ["data: 'digit' is neither", "did you mean 'digits'?"]),
    ({"momentum": 1}, ["momentum: 1 is out of range; give less than 1"]),
    ({"learning_rate": 0}, ["learning_rate: 0 is out of range; give more than 0"]),
    ({"test_fraction": 1.0}, ["test_fraction: 1.0 is out of range; give less than 1"]),
    ({"round_duration_s": 61}, ["round_duration_s: 61 is out of range; give at most 60"]),
    ({"baseline": "int9"}, ["baseline: 'int9' is not among the precision modes", "did you mean 'int8'?"]),
    ({"objectives": "latency,akkuracy"}, ["objectives: 'akkuracy'", "did you mean 'accuracy'?", "allowed: latency"]),
    ({"indifferent": "memory=1%"}, ["indifferent: memory is not among the objectives, latency,test_accuracy"]),
    ({"objectives": ["latency"]}, ["objectives: latency given; name two or more, each once"]),
    ({"margin": "-2%"}, ["margin: '-2%' is out of range; give more than 0"]),
    ({"margin": 2}, ["margin: 2 would be 200 %; write 2% or 200%, as you mean it"]),
    ({"until": "5"}, ["until: '5' would be 500 %; write 5% or 500%, as you mean it"]),
    ({"until": "much%"}, ["until: 'much%' is not a finite number; give a plain number"]),
    ({"until": 1}, ["until: 1 would be 100 %; write 1% or 100%, as you mean it"]),
    ({"max_repeats": 0, "until": "1%"}, ["max_repeats: 0 is out of range; give at least 1"]),
    ({"seed": -1}, ["seed: -1 is out of range; give at least 0"]),
    ({"seed": 2**31}, ["seed: 2147483648 is out of range; give less than 2147483648"]),
    ({"layer_sizes": [32, 10], "activations": "softmax"}, ["begins with 32, but 'digits' has 64 features", "hidden"]),
    ({"layer_sizes": [64, 9], "activations": "softmax"}, ["'digits' has 10 classes; end it with 10, or give hidden"]),
    ({"hidden": [0]}, ["hidden: 0 has the entry 0; every layer needs at least 1 unit"]),
    ({"batch_size": [8, 8]}, ["batch_size: 8 is given 2 times; name each value once"]),
    ({"engine": ["torch", "torch"]}, ["engine: 'torch' is given 2 times; name each engine once"]),
    ({"threads": [1, 9]}, ["threads: 9 exceeds the 4 CPUs"]),
    ({"engine": []}, ["engine: none given; name at least one"]),
    ({"baseline": "engine=torch"}, ["baseline: 'torch' is not among the values of engine", "give one of onnxruntime"]),
    ({"baseline": "colour=red"}, ["baseline: 'colour' is not an axis", "allowed: options, precision, engine"]),
    ({"baseline": "precision=int8,precision=float32"}, ["baseline: precision is given twice, 'int8' and 'float32'"]),
]


@pytest.mark.parametrize(("fields", "parts"), BAD, ids=[f"{fields}" for fields, _ in BAD])
def test_mistake_is_one_line_that_names_field_value_and_remedy(fields: dict[str, object], parts: list[str]) -> None:
    """A mistake is one line with the field, the value, what is allowed and what to do."""
    (line,) = problems(**fields)
    assert "\n" not in line
    assert line.startswith((f"{next(iter(fields))}: ", "data: "))
    assert [part for part in parts if part not in line] == []


AXES_OF_COUNTS = ("batch_size", "threads", "calibration_samples")
COUNTS = ("n_samples", "repeats", "latency_rounds")


@pytest.mark.parametrize("field", [*COUNTS, *AXES_OF_COUNTS])
@pytest.mark.parametrize("value", [0, -3])
def test_count_below_one_is_refused(field: str, value: int) -> None:
    """Nothing that is counted may be below 1."""
    assert problems(**{field: value}) == (f"{field}: {value} is out of range; give at least 1",)


@pytest.mark.parametrize("field", [*COUNTS, "epochs", "seed"])
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
        ("engine", [["torch"]], "['torch'] is not a text; give a text"),
        ("data", dt.date(2026, 1, 1), "datetime.date(2026, 1, 1) is not a text; give a text"),
        ("label_column", 3, "3 is not a text; give a text"),
        ("epochs", np.array([1, 2]), "array([1, 2]) is not a whole number; give a whole number"),
        ("batch_size", [1, [2]], "[2] is not a whole number; give a whole number"),
        ("batch_size", 10**30, f"{10**30} is out of range; give less than 2147483648"),
    ],
)
def test_value_of_another_type_is_refused(field: str, value: object, line: str) -> None:
    """A list, table or date where something else belongs is said, never a traceback of another kind."""
    assert problems(**{field: value}) == (f"{field}: {line}",)


@pytest.mark.parametrize("field", AXES_OF_COUNTS)
@pytest.mark.parametrize("value", ["abc", "3.5", 3.5, {}, {"a": 1}, dt.date(2026, 1, 1), math.nan, [[3]], "1,x"])
def test_what_is_no_whole_number_is_refused_on_an_axis(field: str, value: object) -> None:
    """The same of the entries of a list."""
    (line,) = problems(**{field: value})
    assert "number; give a " in line


@given(
    st.dictionaries(
        st.sampled_from([*OPTIONS, "axes", "precision"]),
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
    assert all(line.split(":")[0] in {*OPTIONS, "axes"} for line in found)


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
        assert plan(**given_fields(experiment.to_json())) == experiment
        assert stored_experiment(experiment.to_json()) == experiment


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

    def inspect_data(name: str, form: TableFormat) -> DataFacts:
        raise PlanError([f"{name!r} has no column {form.label_column!r}", "and more"])

    with pytest.raises(PlanError) as caught:
        plan_experiment({"data": "a.csv", "label_column": "z", "repeats": 0}, Surroundings(ENGINE_MODES, inspect_data))
    assert caught.value.problems == (
        "data: 'a.csv' has no column 'z'",
        "data: and more",
        "repeats: 0 is out of range; give at least 1",
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
        ("batch_size", "5", (5,)),
        ("batch_size", np.int64(5), (5,)),
        ("batch_size", "1,8", (1, 8)),
        ("batch_size", [1, 8.0], (1, 8)),
        ("batch_size", np.array([1, 8]), (1, 8)),
        ("batch_size", range(1, 3), (1, 2)),
        ("precision_modes", "float32", ("float32",)),
        ("engine", "onnxruntime", ("onnxruntime",)),
        ("epochs", "5.0", 5),
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


@given(st.permutations([mode for mode in MODES if mode in ENGINE_MODES["onnxruntime"]]))
def test_setups_stand_in_the_order_of_the_modes(modes: list[str]) -> None:
    """There is one setup per mode, in the order given, otherwise all alike, and called by its mode alone."""
    experiment = plan(precision_modes=modes, batch_size=7)
    setups = experiment.setups()
    assert [setup.precision for setup in setups] == [setup.name for setup in setups] == modes
    assert {(setup.workload.layers, setup.batch_size, setup.threads) for setup in setups} == {
        ("64x128x10", 7, *experiment.threads)
    }


GRID = {"precision": ["float32", "int8"], "engine": ["onnxruntime", "torch"], "batch_size": [1, 8]}


def test_setups_are_the_product_of_the_axes() -> None:
    """Every engine, batch size and precision once, less what an engine does not run, which is named with its reason."""
    experiment = plan(axes=GRID)
    assert [setup.name for setup in experiment.setups()] == [
        "float32-onnxruntime-b1",
        "int8-onnxruntime-b1",
        "float32-onnxruntime-b8",
        "int8-onnxruntime-b8",
        "float32-torch-b1",
        "float32-torch-b8",
    ]
    assert experiment.refused == (
        ("int8-torch-b1", "torch does not run int8"),
        ("int8-torch-b8", "torch does not run int8"),
    )
    assert len({setup.key for setup in experiment.setups()}) == 6


CALIBRATED = {"precision_modes": "float32,int8,int8:entropy", "calibration_samples": "32,512"}


def test_numbers_of_examples_are_an_axis_of_what_is_calibrated() -> None:
    """Each has its setup in every mode that takes scales from examples; float32 is there once, as their baseline."""
    experiment = plan(**CALIBRATED)
    names = [setup.name for setup in experiment.setups()]
    assert names == ["float32", "int8-c32", "int8-c512", "int8-entropy-c32", "int8-entropy-c512"]
    assert [names[place] for place in experiment.baselines()] == 5 * ["float32"]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("calibration_samples=512", ["float32", "int8-c512", "int8-c512", "int8-entropy-c512", "int8-entropy-c512"]),
        ("precision=int8", ["int8-c32", "int8-c32", "int8-c512", "int8-c32", "int8-c512"]),
    ],
)
def test_what_is_calibrated_is_compared_as_the_baseline_says(baseline: str, expected: list[str]) -> None:
    """A number of examples says nothing of float32, which is compared with the first of them where one is needed."""
    experiment = plan(**CALIBRATED, baseline=baseline)
    names = [setup.name for setup in experiment.setups()]
    assert [names[place] for place in experiment.baselines()] == expected


def test_a_single_number_of_examples_is_that_of_every_setup() -> None:
    """It is in no name, and a baseline that calibrates is found."""
    experiment = plan(precision_modes="float32,int8", calibration_samples=64, baseline="int8")
    assert [(setup.name, setup.calibration_samples) for setup in experiment.setups()] == [
        ("float32", None),
        ("int8", 64),
    ]
    assert experiment.baselines() == [1, 1]


def test_a_variant_is_refused_where_its_engine_does_not_run_it() -> None:
    """The engine that runs the mode otherwise is left out by name, and files can be called as the setups are."""
    experiment = plan(precision_modes="float32,int8:entropy", engine="onnxruntime,torch")
    assert [setup.name for setup in experiment.setups()] == [
        "float32-onnxruntime",
        "int8-entropy-onnxruntime",
        "float32-torch",
    ]
    assert experiment.refused == (("int8-entropy-torch", "torch does not run int8:entropy"),)


def test_each_setup_is_compared_with_the_one_that_differs_in_the_baseline_alone() -> None:
    """With precision=float32 the baseline has the same engine and batch size; with engine=torch the same precision."""
    by_precision = plan(axes=GRID)
    names = [setup.name for setup in by_precision.setups()]
    assert [names[place] for place in by_precision.baselines()] == [
        "float32-onnxruntime-b1",
        "float32-onnxruntime-b1",
        "float32-onnxruntime-b8",
        "float32-onnxruntime-b8",
        "float32-torch-b1",
        "float32-torch-b8",
    ]
    by_engine = plan(axes=GRID, baseline="engine=torch")
    assert [names[place] for place in by_engine.baselines()] == [
        "float32-torch-b1",
        "int8-onnxruntime-b1",  # torch does not run it: it is compared with nothing
        "float32-torch-b8",
        "int8-onnxruntime-b8",
        "float32-torch-b1",
        "float32-torch-b8",
    ]
    both = plan(axes=GRID, baseline=["precision=float32", "batch_size=1"])
    assert [names[place] for place in both.baselines()][3] == "float32-onnxruntime-b1"


def test_a_bare_baseline_is_found_on_the_axis_that_has_it() -> None:
    """float32 is a precision; a number that two axes have is refused, with the way to say which."""
    assert plan(baseline="int8", precision_modes="float32,int8").baseline == (("precision", "int8"),)
    assert plan(axes={"batch_size": [1, 8]}, baseline="8", threads=1).baseline == (("batch_size", "8"),)
    (line,) = problems(batch_size=[1, 2], threads=[1, 2], baseline="2")
    assert line == "baseline: '2' is a value of batch_size and of threads; say which, as batch_size=2"


def test_an_axis_is_given_once() -> None:
    """A field beside an axis of it, an unknown axis and what is no table are each one line."""
    (line,) = problems(batch_size=32, axes={"batch_size": [1, 8]})
    assert line == "batch_size: 32 is given beside axes.batch_size, [1, 8]; give one of the two"
    (line,) = problems(axes={"batchsize": [1]})
    assert line.startswith("axes: 'batchsize' is not an axis (did you mean 'batch_size'?)")
    (line,) = problems(axes=[1])
    assert line.startswith("axes: [1] is not a table of axes")


class SomeMissing(dict[str, tuple[str, ...]]):
    """Engines of which those that run nothing cannot be had."""

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if not (modes := super().__getitem__(name)):
            raise PlanError([f"{name!r} is not installed; pip install it"])
        return modes


def without(fields: Mapping[str, object], *missing: str, refused: Mapping[str, str] | None = None) -> Experiment:
    """Plan where some of the engines above, and a third one, cannot be had."""
    known = SomeMissing({**ENGINE_MODES, "third": ("float32", "int8")} | dict.fromkeys(missing, ()))
    return plan_experiment(fields, Surroundings(known, lambda name, form: DIGITS, refused=refused))  # noqa: ARG005


def test_an_engine_that_cannot_be_had_is_left_out_where_another_can() -> None:
    """Its setups are named with the reason, modes that no other runs with theirs; the others are as ever."""
    experiment = without({"engine": "onnxruntime,third", "precision_modes": "float32,bfloat16"}, "third")
    assert [setup.name for setup in experiment.setups()] == ["float32-onnxruntime"]
    assert experiment.engines() == ["onnxruntime"]
    gone = "'third' is not installed; pip install it"
    assert dict(experiment.refused) == {
        "float32-third": gone,
        "bfloat16-onnxruntime": "onnxruntime does not run bfloat16",
        "bfloat16-third": gone,
    }
    assert stored_experiment(experiment.to_json()) == experiment


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"engine": "third"}, ["engine: 'third' is not installed; pip install it"]),
        (
            {"engine": "third,torch"},
            ["engine: 'third' is not installed; pip install it", "engine: 'torch' is not installed; pip install it"],
        ),
        (
            {"engine": "onnxruntime,third", "precision_modes": "bfloat16"},
            ["engine: 'onnxruntime' runs none of bfloat16; it", "engine: 'third' is not installed; pip install it"],
        ),
        ({"engine": "onnxruntime,thirt"}, ["engine: 'thirt' is not an engine (did you mean 'third'?)"]),
        (
            {"engine": "onnxruntime,third", "baseline": "engine=third"},
            ["baseline: nothing runs as engine=third: 'third' is not installed; pip install it; or give another"],
        ),
    ],
)
def test_where_nothing_runs_an_engine_that_cannot_be_had_is_a_mistake(
    fields: dict[str, object], told: list[str]
) -> None:
    """So is a name that none has, and a baseline that would have to run on it."""
    with pytest.raises(PlanError) as caught:
        without(fields, "third", "torch")
    assert [line[: len(start)] for line, start in zip(caught.value.problems, told, strict=True)] == told


def test_a_resumed_experiment_leaves_out_what_it_left_out() -> None:
    """An engine that was installed since joins in no more, and one that is gone is a mistake."""
    fields: dict[str, object] = {"engine": "onnxruntime,third", "precision_modes": "float32"}
    begun, whole = without(fields, "third"), without(fields)
    assert without(fields, refused=dict(begun.refused)) == begun
    assert without(fields, "third", refused=dict(begun.refused)) == begun
    assert without(fields, refused=dict(whole.refused)) == whole
    with pytest.raises(PlanError) as caught:
        without(fields, "third", refused=dict(whole.refused))
    assert caught.value.problems == ("engine: 'third' is not installed; pip install it",)


def test_what_no_engine_given_runs_is_a_mistake() -> None:
    """A precision that none of them runs, and an engine that runs none of the precisions, are refused."""
    assert problems(precision_modes="bfloat16,float32", engine="onnxruntime") == (
        "precision_modes: 'bfloat16' cannot run on the engine 'onnxruntime'; engines that can: torch",
    )
    assert problems(precision_modes="int8", engine="onnxruntime,torch") == (
        "engine: 'torch' runs none of int8; it runs float64, float32, bfloat16, float16",
    )


def test_a_stored_experiment_is_not_held_against_this_machine() -> None:
    """Results of a machine with more CPUs and other engines are read; what the analysis needs is checked."""
    stored = plan().to_json() | {"threads": 64, "engine": "tvm", "batch_size": 16, "baseline": "float16"}
    experiment = stored_experiment(stored | {"made_later": 1})
    assert (experiment.threads, experiment.engine, experiment.batch_size) == ((64,), ("tvm",), (16,))
    assert experiment.baseline == (("precision", "float16"),)
    for name, value in (
        ("baseline", "int9"),
        ("margin", -1),
        ("objectives", 5),
        ("layer_sizes", None),
        ("repeats", "x"),
    ):
        with pytest.raises(PlanError, match=f"^{name}: "):
            stored_experiment(stored | {name: value})


def test_unknown_keys_of_a_config_are_left_to_the_plan(tmp_path: Path) -> None:
    """A misspelt key of a TOML file is reported with the nearest name."""
    config = tmp_path / "plan.toml"
    config.write_text("repeat = 3\n", encoding="utf-8")
    assert "did you mean 'repeats'?" in problems(**read_config(config))[0]


WINE = DataFacts(n_samples=178, n_features=13, n_classes=3)
COINS = DataFacts(n_samples=100, n_features=4, n_classes=2)


@pytest.mark.parametrize(
    ("facts", "fields", "sizes", "activations"),
    [
        (DIGITS, {}, (64, 128, 10), ("relu", "softmax")),
        (WINE, {"data": "wine.csv"}, (13, 128, 3), ("relu", "softmax")),
        (WINE, {"data": "wine.csv", "hidden": "128,64"}, (13, 128, 64, 3), ("relu", "relu", "softmax")),
        (WINE, {"data": "wine.csv", "hidden": "128-64x32"}, (13, 128, 64, 32, 3), ("relu", "relu", "relu", "softmax")),
        (WINE, {"data": "wine.csv", "hidden": [8]}, (13, 8, 3), ("relu", "softmax")),
        (WINE, {"data": "wine.csv", "hidden": 8}, (13, 8, 3), ("relu", "softmax")),
        (WINE, {"data": "wine.csv", "hidden": "none"}, (13, 3), ("softmax",)),
        (WINE, {"data": "wine.csv", "hidden": []}, (13, 3), ("softmax",)),
        (WINE, {"data": "wine.csv", "hidden": "8,8", "activations": "tanh,gelu,softmax"}, (13, 8, 8, 3), None),
        (COINS, {"data": "coins.npz"}, (4, 128, 2), ("relu", "softmax")),
        (COINS, {"data": "coins.npz", "layer_sizes": "4-8-1"}, (4, 8, 1), ("relu", "sigmoid")),
        (None, {"data": "synthetic"}, (64, 128, 10), ("relu", "softmax")),
        (None, {"data": "synthetic", "hidden": "32"}, (64, 32, 10), ("relu", "softmax")),
        (DIGITS, {"layer_sizes": "64-32-16-10"}, (64, 32, 16, 10), ("relu", "relu", "softmax")),
    ],
)
def test_the_network_follows_from_the_data(
    facts: DataFacts | None, fields: dict[str, object], sizes: tuple[int, ...], activations: tuple[str, ...] | None
) -> None:
    """Inputs and outputs are the data's, hidden is what is between, and activations are there for any depth."""
    planned = plan(facts, **fields)
    assert planned.layer_sizes == sizes
    assert planned.activations == (activations or ("tanh", "gelu", "softmax"))


def test_what_is_recorded_is_the_whole_network() -> None:
    """An experiment keeps layer_sizes and no hidden, so that one by hidden and one by sizes are the same."""
    by_hidden = plan(WINE, data="wine.csv", hidden="8")
    assert by_hidden == plan(WINE, data="wine.csv", layer_sizes="13-8-3")
    assert by_hidden.hidden is None
    assert plan(WINE, **given_fields(by_hidden.to_json())) == by_hidden


def test_hidden_given_again_stands_for_the_stored_sizes() -> None:
    """The command that began an experiment also resumes it; another hidden is another network."""
    stored = plan(WINE, data="wine.csv", hidden="8").to_json()
    assert plan(WINE, **resumed_fields(stored, {"data": "wine.csv", "hidden": "8"})).to_json() == stored
    assert plan(WINE, **resumed_fields(stored, {"hidden": "9"})).layer_sizes == (13, 9, 3)
    assert plan(WINE, **resumed_fields(stored, {})).to_json() == stored


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"hidden": "8", "layer_sizes": "13-8-3"}, ["layer_sizes: 13-8-3 is given beside hidden, 8; give hidden"]),
        ({"hidden": "8,0"}, ["hidden: 8-0 has the entry 0; every layer needs at least 1 unit"]),
        ({"hidden": [2**25]}, ["hidden: 33554432 has the entry 33554432; at most"]),
        ({"hidden": "wide"}, ["hidden: 'wide' is not a whole number"]),
        ({"hidden": {64}}, ["hidden: {64} has no order; give a list"]),
        ({"hidden": "8,8", "activations": "relu,softmax"}, ["activations: 2 given", "3 needed", "13-8-8-3"]),
        (
            {"layer_sizes": "64-128-3"},
            ["layer_sizes: 64-128-3 begins with 64, but 'wine.csv' has 13 features; begin it with 13, or give hidden"],
        ),
        ({"separator": "comma,"}, ["separator: 'comma,' is not a separator", "did you mean 'comma'?", "semicolon"]),
        ({"separator": 5}, ["separator: 5 is not a text; give a text"]),
        ({"header": "maybe"}, ["header: 'maybe' is not known; allowed: 'yes' or 'no' or 'auto'"]),
        ({"header": "no", "label_column": "y"}, ["header: 'no' names no columns, but label_column is 'y'; leave one"]),
        ({"missing": {"?"}}, ["missing: {'?'} has no order; give a list"]),
        ({"data": "a.npz", "missing": "?"}, ["data: 'a.npz' is no table, but missing is ('?',); leave missing out"]),
        ({"data": "digits", "separator": ";"}, ["data: 'digits' is no table, but separator is 'semicolon'"]),
    ],
)
def test_a_mistake_about_own_data_is_one_line(fields: dict[str, object], parts: list[str]) -> None:
    """Each mistake in what says how data are read, or what follows from them, has its field and its remedy."""
    (line,) = problems(WINE, **{"data": "wine.csv"} | fields)
    assert [part for part in parts if part not in line] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, TableFormat()),
        ({"separator": ";", "header": "yes"}, TableFormat(separator="semicolon", header="yes")),
        ({"separator": "\t", "header": True}, TableFormat(separator="tab", header="yes")),
        ({"separator": r"\t", "header": "auto"}, TableFormat(separator="tab")),
        ({"separator": " ", "header": False}, TableFormat(separator="space", header="no")),
        ({"missing": "NA, ?"}, TableFormat(missing=("NA", "?"))),
        ({"missing": ["NA"], "label_column": "y"}, TableFormat(label_column="y", missing=("NA",))),
        ({"missing": ""}, TableFormat(missing=("",))),
    ],
)
def test_how_a_table_is_read_is_asked_in_one_form(given: dict[str, object], expected: TableFormat) -> None:
    """However separator, header and missing words are written, the reader gets them in one form."""
    asked = []

    def inspect_data(name: str, form: TableFormat) -> DataFacts:
        asked.append((name, form))
        return WINE

    planned = plan_experiment({"data": "wine.csv"} | given, Surroundings(ENGINE_MODES, inspect_data))
    assert set(asked) == {("wine.csv", expected)}
    assert planned.table_format == expected


def test_a_mistake_in_the_data_brings_no_others() -> None:
    """Where the data are a mistake, nothing is said of a network that would have followed from them."""

    def inspect_data(name: str, form: TableFormat) -> DataFacts:
        raise PlanError([f"{name!r} is missing, as is {form}"])

    with pytest.raises(PlanError) as caught:
        plan_experiment({"data": "a.csv", "n_samples": 5}, Surroundings(ENGINE_MODES, inspect_data))
    assert caught.value.problems == (f"data: 'a.csv' is missing, as is {TableFormat()}",)


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
    assert lines[1].startswith(
        "epoch0: is not a field of an experiment (did you mean 'epochs'?); known: model, set, shape, hidden, "
    )
    assert lines[11:] == ("299990 more names are not fields of an experiment; correct these first",)


def test_more_setups_than_can_be_planned_are_refused_before_they_are_formed() -> None:
    """Two axes of thousands of values are one line, in a plan as in somebody's manifest."""
    told = "batch_size: 9000 values make 18000 setups with those of the other axes; at most 10000 can be planned"
    fields = {"precision_modes": ["float32", "int8"], "batch_size": list(range(1, 9001)), "data": "synthetic"}
    with pytest.raises(PlanError, match=told):
        plan_experiment(fields, NO_DATA)
    stored = plan_experiment(fields | {"batch_size": [1]}, NO_DATA).to_json() | {"batch_size": fields["batch_size"]}
    with pytest.raises(PlanError, match=told):
        stored_experiment(stored)


def test_against_another_environment_every_setup_is_there_twice() -> None:
    """Side by side; each of here is compared with itself there, and that one with nothing."""
    experiment = plan(precision_modes="float32,int8", batch_size="1,8", against="venv")
    names = [setup.name for setup in experiment.setups()]
    assert names[:4] == ["float32-b1-here", "float32-b1-other", "int8-b1-here", "int8-b1-other"]
    assert experiment.baselines() == [1, 1, 3, 3, 5, 5, 7, 7]
    assert experiment.varying == {"precision", "batch_size", "variant"}
    assert stored_experiment(experiment.to_json()) == experiment
    assert plan(**resumed_fields(experiment.to_json(), {})) == experiment


def test_against_another_environment_what_no_engine_runs_is_left_out_in_both() -> None:
    """A refused setup is in neither."""
    experiment = plan(precision_modes="float32,int8", engine="onnxruntime,torch", against="venv")
    assert [setup.name for setup in experiment.setups()] == [
        f"{name}-{where}"
        for name in ("float32-onnxruntime", "int8-onnxruntime", "float32-torch")
        for where in ("here", "other")
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"baseline": "int8"}, "baseline: 'int8' is given beside against, by which each setup is compared with itself"),
        ({"against": ""}, "against: '' is an entry without a name; name each environment"),
        ({"against": 5}, "against: 5 is not a text; give a text"),
    ],
)
def test_mistakes_beside_another_environment_are_told(fields: dict[str, object], line: str) -> None:
    """Another baseline would compare nothing across, and an empty name is none."""
    with pytest.raises(PlanError) as caught:
        plan(**{"against": "venv"} | fields)
    (told,) = caught.value.problems
    assert told.startswith(line)
