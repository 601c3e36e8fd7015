"""Behaviour of telling whether an experiment is the one that was begun."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from significand.plan.problems import PlanError
from significand.results.comparable import differences
from significand.results.records import FIRST_METHOD
from significand.results.resume import check_same

FILES = {"net.py": "a", "raw.csv": "b"}


def facts(files: Mapping[str, str] = FILES, weights: str = "w", cpu: str = "one") -> dict[str, Any]:
    """Return what an experiment is, as far as it matters here."""
    network = {"files": files, "weights_sha256": weights}
    return {"method": FIRST_METHOD, "network": network, "machine": {"cpu": cpu}}


def refused(now: Mapping[str, Any], *allow: str) -> list[str]:
    """Return the names of what keeps an experiment from being gone on with."""
    try:
        check_same(Path("out"), facts(), now, allow)
    except PlanError as error:
        return [line.split(": ")[1] for line in error.problems if " then, " in line]
    return []


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (facts(), []),
        (facts({"net.py": "x", "raw.csv": "b"}), ["network.files.net.py"]),
        (facts({"net.py": "a", "raw.csv": "x"}), ["network.files.raw.csv"]),
        (facts({"net.py": "a", "cache.npz": "c"}), []),
        (facts({"raw.csv": "b"}), ["network.files.net.py"]),
        (facts(FILES | {"more.py": "m"}), ["network.files.more.py"]),
        (facts(weights="x"), ["network.weights_sha256"]),
    ],
)
def test_another_network_is_refused_by_what_differs(now: Mapping[str, Any], names: list[str]) -> None:
    """A file that was read only once, as before there was a cache of it, is no sign of another; code is."""
    assert refused(now) == names


def test_initial_weights_of_another_processor_are_its_own() -> None:
    """Where the machine may differ, they may be rounded otherwise; files still count."""
    assert refused(facts(weights="x", cpu="other"), "machine") == []
    assert refused(facts({"net.py": "x", "raw.csv": "b"}, "x", "other"), "machine") == ["network.files.net.py"]


@pytest.mark.parametrize(("seed", "found"), [(1, ["network.weights_sha256"]), (2, [])])
def test_weights_are_compared_for_one_seed(seed: int, found: list[str]) -> None:
    """Those of another seed may be drawn."""
    one = {"experiment.seed": 1, "network.weights_sha256": "a"}
    other = {"experiment.seed": seed, "network.weights_sha256": "b"}
    assert [one.field for one in differences(one, other)[0]] == found
