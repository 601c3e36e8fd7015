"""Behaviour of the sentence on the environment that an experiment was held against."""

import pytest

from significand.present.words.environments import environment_lines, other_environment_words
from significand.present.words.places import at, subject_words, with_place

HERE = {"python": "3.11.7", "versions": {"onnxruntime": "1.32.0", "numpy": "2.4.6", "torchao": None}}


def told(**other: object) -> str:
    """Say what is another there."""
    there = {"path": "/envs/next", "python": "3.11.7", "versions": HERE["versions"]} | other
    return other_environment_words({"machine": HERE, "against": there})


def test_versions_that_differ_are_named_with_both_values() -> None:
    """A package that is on one side only is named, too; the same is not."""
    assert told() == "/envs/next, with the same versions of what significand uses"
    assert told(python="3.11.9") == "/envs/next, with python 3.11.9 instead of 3.11.7"
    versions = {"onnxruntime": "1.33.0", "numpy": None, "torchao": "0.18"}
    assert told(versions=versions) == (
        "/envs/next, with onnxruntime 1.33.0 instead of 1.32.0, numpy missing instead of 2.4.6, "
        "torchao 0.18 instead of none"
    )


def test_no_control_character_gets_into_the_sentence() -> None:
    """Whatever a manifest says."""
    (line,) = environment_lines({"against": {"path": "a\x1b[2Jb"}})
    assert line.startswith("The other environment is a\ufffd[2Jb, with ")


@pytest.mark.parametrize("manifest", [{}, {"against": None}, {"against": 5}])
def test_nothing_is_said_without_another_environment(manifest: dict[str, object]) -> None:
    """Nor of a damaged manifest."""
    assert not list(environment_lines(manifest))


def test_an_environment_is_told_as_where_it_is() -> None:
    """As subject alone, and behind a precision."""
    assert subject_words({"variant": "here"}) == "this environment"
    assert with_place("int8", {"variant": "other"}) == "int8 in the other environment"
    assert at("variant", ["here", "other"]) == "in this environment and the other environment"
