import shlex
from pathlib import Path

import pytest

from conftest import small_experiment
from made_up_pages import made_up_experiment
from significand.plan.options import OPTIONS
from significand.present.page.reproduce import command_line, reproduction

DEFAULTS = {name: option.default for name, option in OPTIONS.items()}


def test_defaults_need_no_flag() -> None:
    """An experiment of defaults is the bare command; the learning rate's default is that of the optimizer."""
    assert command_line(DEFAULTS) == "significand run"
    assert command_line(DEFAULTS | {"learning_rate": 0.01}) == "significand run"
    assert command_line(DEFAULTS | {"optimizer": "adam", "learning_rate": 0.001}) == "significand run --optimizer adam"


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("layer_sizes", [64, 32, 10], "--layer-sizes 64-32-10"),
        ("precision_modes", ["float32", "int8"], "--precision-modes float32,int8"),
        ("data", "my data.csv", "--data 'my data.csv'"),
        ("data", "-my.csv", "--data=-my.csv"),
        ("remeasure_nice", -5, "--remeasure-nice=-5"),
        ("until", 0.01, "--until 0.01"),
        ("learning_rate", 0.1 + 0.2, "--learning-rate 0.30000000000000004"),
        ("threads", 2, "--threads 2"),
        ("objectives", ("latency", "memory"), "--objectives latency,memory"),
    ],
)
def test_what_is_not_the_default_has_its_flag(field: str, value: object, flag: str) -> None:
    """Values are written as the command line reads them, in full precision, quoted for a shell."""
    assert command_line(DEFAULTS | {field: value}) == f"significand run {flag}"


def test_the_command_plans_the_same_experiment() -> None:
    """Read back flag by flag, it gives the fields that it was made of."""
    experiment = small_experiment(until=0.02, objectives=["latency", "test_accuracy"], optimizer="adam")
    words = shlex.split(command_line(experiment.to_json()))[2:]
    flags = {
        name.removeprefix("--").replace("-", "_"): text for name, text in zip(words[::2], words[1::2], strict=True)
    }
    changed = {name for name, option in OPTIONS.items() if getattr(experiment, name) != option.default}
    assert changed - set(flags) == {"learning_rate"}
    assert small_experiment(**flags) == experiment


def test_revision_times_and_citation_are_told(tmp_path: Path) -> None:
    """The commit and whether it was clean; version and year in text and BibTeX, and no author or DOI made up."""
    revision = {"commit": "abc123", "dirty": True}
    told = reproduction(made_up_experiment(tmp_path / "a", git_revision=revision, data_sha256="00ff"))
    facts = dict(told.facts)
    assert facts["Git revision"] == "abc123, with changes that were not committed"
    assert facts["Started"] == "2026-01-02 03:04:05 UTC"
    assert facts["SHA-256 of the data"] == "00ff"
    assert "version 0.1.0, 2026" in told.citation
    assert told.bibtex[0] == "@software{significand,"
    assert "  version = {0.1.0}," in told.bibtex
    assert not any(word in " ".join(told.bibtex).lower() for word in ("author", "doi", "url"))


def test_a_clean_checkout_is_only_its_commit(tmp_path: Path) -> None:
    """Nothing is said of changes that were not there; without a checkout nothing is said at all."""
    clean = reproduction(made_up_experiment(tmp_path / "a", git_revision={"commit": "abc", "dirty": False}))
    assert dict(clean.facts)["Git revision"] == "abc"
    assert "Git revision" not in dict(reproduction(made_up_experiment(tmp_path / "b", git_revision=None)).facts)
