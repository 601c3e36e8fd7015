from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import small_experiment
from made_up_results import MACHINE
from significand.meters.machine import describe_machine
from significand.results.contents import MANIFEST_KEYS
from significand.results.facts import FACTS, FactsError, check_facts

PATH = Path("/x/manifest.json")
END = "; correct it, or measure again"


def facts(experiment: Mapping[str, object] | None = None, **others: object) -> dict[str, object]:
    """Return what a manifest says, with changes."""
    fields = small_experiment().to_json() | dict(experiment or {})
    return {"experiment": fields, "machine": MACHINE, **others}


def problems(found: Mapping[str, object]) -> tuple[str, ...]:
    """Return what is wrong with facts."""
    with pytest.raises(FactsError) as caught:
        check_facts(PATH, found)
    return caught.value.problems


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("baseline", "gelu", "'gelu' is not among the precision modes; give one of float32, int8"),
        ("objectives", 5, "5 is not a list; give a list"),
        ("objectives", ["latency"], "latency given; name two or more, each once"),
        ("margin", -1, "-1 is out of range; give more than 0"),
        ("margin", float("nan"), "nan is not a finite number; give a plain number"),
        ("accuracy_margin", "x", "'x' is not a finite number; give a plain number"),
        ("layer_sizes", None, "nothing is not a list; give a list"),
        ("layer_sizes", [4], "4 has 1 entries; at least 2 are needed: inputs and outputs"),
        (
            "layer_sizes",
            [16, 10**5000, 4],
            "a int too long to show is out of range; give less than 9223372036854775808",
        ),
        ("activations", ["relu"], "1 given, 2 needed: one for each transition"),
        ("engine", [], "none given; name at least one"),
        ("epochs", -1, "-1 is out of range; give at least 0"),
        ("epochs", True, "True is not a number; give a number"),
        ("threads", "many", "'many' is not a whole number; give a whole number"),
        ("precision_modes", [], "none given; name at least one"),
        ("precision_modes", ["int8", "int8"], "'int8' is given 2 times; name each mode once"),
        ("precision_modes", ["float32", ""], "'' is an entry without a name; name each mode"),
        ("until", 5, "5 would be 500 %; write 5% or 500%, as you mean it"),
        (
            "until_metric",
            "accuracy",
            "'accuracy' is not known; allowed: 'latency' or 'train_time' or 'memory' or 'energy'",
        ),
        ("on_noise", {}, "{} is not a text; give a text"),
        ("round_duration_s", 10**400, f"{10**400!r:.80}... is not a finite number; give a plain number"),
    ],
)
def test_a_stored_experiment_is_checked_field_by_field(field: str, value: object, told: str) -> None:
    """A wrong type or value is one line with the file, the field, the value, what is allowed, and the remedy."""
    wanted = {"precision_modes": ["float32", "int8"]}
    assert problems(facts(wanted | {field: value})) == (f"'{PATH}': experiment.{field}: {told}{END}",)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("machine.cpu", 5, "5 is not a text of at most 5000 characters"),
        ("machine.cpu", "x" * 10**7, f"{'x' * 10**7!r:.80}... is not a text of at most 5000 characters"),
        ("machine.memory_mb", "8 GB", "'8 GB' is not a number"),
        ("machine.memory_mb", 10**400, f"{10**400!r:.80}... is not a number"),
        ("machine.virtual_machine", [], "[] is not true or false"),
        ("machine.instruction_sets", ["avx2", 5], "['avx2', 5] is not a list of texts"),
        ("machine.versions", {"torch": []}, "{'torch': []} is not an object of texts"),
        ("machine.physical_cores", -1, "-1 is not a count"),
        ("machine.logical_cpus", True, "True is not a count"),
        ("git_revision.dirty", {}, "{} is not true or false"),
        ("git_revision", "abc", "'abc' is not an object"),
        ("method", "of old", "'of old' is not an object of texts"),
        ("started_utc", 5, "5 is not a text of at most 5000 characters"),
        ("elapsed_s", float("inf"), "inf is not a number"),
        ("allowed", "host", "'host' is not a list"),
        ("finished_runs", 1.5, "1.5 is not a count"),
    ],
)
def test_facts_that_are_used_are_checked_too(field: str, value: object, told: str) -> None:
    """Machine, revision, method and times: the line is the same, and says that null is allowed."""
    holder, _, name = field.rpartition(".")
    inside = {holder: (MACHINE if holder == "machine" else {}) | {name: value}} if holder else {field: value}
    kind = told.partition(" is not ")[2]
    assert problems(facts() | inside) == (
        f"'{PATH}': {field}: {told}; give {kind}, or null where it is not known{END}",
    )


def test_what_another_machine_wrote_is_not_checked_against_this_one() -> None:
    """More threads than there are here, an engine and a data file that are not here, and a rule that is new."""
    there = {"threads": [4096], "engine": ["an-engine-of-somebody"], "data": "/gone/x.parquet", "n_samples": None}
    there |= {"until": 0.01, "max_repeats": 2, "precision_modes": ["float32", "int2"], "later": {"field": 1}}
    plan = check_facts(PATH, facts(there, later=[1]))
    assert (plan.threads, plan.engine, plan.data, plan.precision_modes) == (
        *((4096,), ("an-engine-of-somebody",), "/gone/x.parquet"),
        ("float32", "int2"),
    )


def test_several_mistakes_are_several_lines_and_not_too_many() -> None:
    """All of an experiment and of the facts beside it are told, a hundred at most."""
    lines = problems(facts({"epochs": -1, "seed": -1}, elapsed_s="x"))
    assert [line.split(": ")[1] for line in lines] == ["experiment.epochs", "experiment.seed", "elapsed_s"]
    wrong = {"layer_sizes": [f"x{number}" for number in range(9_999)], "activations": [5] * 9_999}
    assert len(problems(facts(wrong))) <= 101


def test_what_is_too_deep_or_too_wide_is_not_looked_at() -> None:
    """Each is a line that names the key at the top."""
    deep: object = 1
    for _ in range(2_000):
        deep = {"a": deep}
    (line,) = problems(facts() | {"machine": MACHINE | {"cpu": deep}})
    assert line == f"'{PATH}': machine: it is nested more than 20 deep; write it flat{END}"
    (line,) = problems(facts(versions=dict.fromkeys(map(str, range(300_000)), "1")))
    assert "versions: something in it has 300000 entries; at most 10000 are read" in line


def test_facts_without_an_experiment_are_refused() -> None:
    """A journal may lack it, or hold something else in its place."""
    assert "experiment: None is not an object" in problems({"machine": {}})[0]
    assert "experiment: [] is not an object" in problems({"experiment": []})[0]


def test_every_fact_has_its_kind() -> None:
    """What the manifest is documented to hold is checked, and what this machine says of itself passes."""
    elsewhere = {"schema_version", "experiment"}  # looked at before, and field by field
    inside = {"git_revision.commit", "git_revision.dirty"}
    inside |= {"network.files", "network.score", "network.weights_sha256"}
    assert set(MANIFEST_KEYS) - elsewhere == set(FACTS) - inside
    check_facts(PATH, facts() | {"machine": describe_machine()})
