"""The kit that holds engines to the protocol: it passes an engine that keeps it, and finds each fault."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_up_packages import EXAMPLE, installed, write_metadata
from significand.engines import base
from significand.testing import Check, check_engine, checks_of

pytestmark = pytest.mark.slow

FAULTS = {
    "boasting": "is_no_finer_than_it_says",
    "changing": "leaves_feeds_alone",
    "counting": "counts_multiply_adds",
    "drifting": "binds_a_call",
    "empty": "finds_the_products",
    "remembering": "forgets_earlier_calls",
    "renaming": "profile_names_operators",
    "single": "gives_plain_arrays",
    "summing": "profile_adds_up",
    "twins": "names_its_operators",
}
OF_PROCESSES = {
    "spinning": ["rests_between_calls"],
    "rude": ["preloads_without_threads", "preloads_all_it_needs", "keeps_files_together", "leaves_nothing_running"],
}


@pytest.fixture(scope="module", autouse=True)
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the NumPy engine, and those with faults."""
    site = installed(tmp_path_factory.mktemp("site"))
    points = {name: f"made_up_engines:{name.upper()}" for name in (*FAULTS, *OF_PROCESSES, "reversed")}
    write_metadata(site, "significand-made-up-engines", "1.0", points)
    (site / "made_up_late.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        for cache in (base._added, base._added_engine):
            cache.cache_clear()
        yield
    for cache in (base._added, base._added_engine):
        cache.cache_clear()


def failed(checks: list[Check]) -> list[str]:
    """Return which checks fail."""
    names = []
    for check in checks:
        try:
            check()
        except AssertionError:
            names.append(check.name)
    return names


def of_network(engine: str, workload: str = "perceptron") -> list[Check]:
    """Return the checks of what an engine does with a network in float32."""
    checks = checks_of(engine, workloads=[workload], modes=["float32"])
    return [check for check in checks if f"-{workload}-" in check.name]


def test_the_example_passes_by_its_own_tests(tmp_path: Path) -> None:
    """A package that adds an engine has one test module, which pytest runs where the package is installed."""
    shutil.copy(EXAMPLE / "test_numpy_engine.py", tmp_path)
    site = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": site},
    )
    assert done.returncode == 0, done.stdout
    assert "34 passed" in done.stdout


def test_the_documentation_shows_the_example_as_it_is() -> None:
    """docs/engines.md holds the package's files, word by word, and every check with its sentence."""
    page = (Path(__file__).parents[1] / "docs/engines.md").read_text("utf-8")
    for path in EXAMPLE.glob("*.*"):
        assert path.read_text("utf-8") in page
    for check in checks_of("numpy"):
        assert f"| `{check.name.rpartition('-')[2]}` | {check.wanted} |" in page


@pytest.mark.parametrize(("engine", "check"), FAULTS.items())
def test_a_fault_fails_the_check_that_is_meant_for_it(engine: str, check: str) -> None:
    """One fault is one failure, whose name tells what to mend."""
    assert failed(of_network(engine)) == [f"{engine}-perceptron-float32-{check}"]


def test_outputs_in_another_order_are_found() -> None:
    """Only a network with several outputs shows it."""
    assert failed(of_network("reversed", "several")) == ["reversed-several-float32-goes_by_names"]


@pytest.mark.usefixtures("warm_test", "no_orphans")
@pytest.mark.parametrize(("engine", "checks"), OF_PROCESSES.items())
def test_what_an_engine_does_to_processes_is_found(engine: str, checks: list[str]) -> None:
    """Threads that spin or come too early, late imports, stray files, and processes left behind, which are ended."""
    tried = checks_of(engine, workloads=["perceptron"], modes=["float32"])
    assert failed([check for check in tried if "-perceptron-" not in check.name]) == [
        f"{engine}-{check}" for check in checks
    ]


def test_all_failures_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check_engine` has a line for each, with the value, the limit and what to mend."""
    monkeypatch.setattr("significand.testing.PROCESS_CHECKS", ())
    with pytest.raises(AssertionError) as caught:
        check_engine("empty", workloads=["perceptron"], modes=["float32"])
    (line,) = str(caught.value).splitlines()
    assert line.startswith("empty-perceptron-float32-finds_the_products: ")
    assert "(kinds: none)" in line
    assert "2 layers of the network do; give each" in line


@pytest.mark.parametrize(
    ("engine", "words", "told"),
    [
        ("abacus", {}, "'abacus' is no engine that is installed; there are onnxruntime"),
        ("numpy", {"workloads": ["gan"]}, "'gan' is no workload; give some of perceptron, cnn"),
        ("numpy", {"modes": ["int8"]}, "'int8' is no mode of the engine; give some of float32, float16"),
        ("numpy", {"modes": []}, "'nothing' is no mode of the engine"),
    ],
)
def test_what_cannot_be_checked_is_refused(engine: str, words: dict[str, Any], told: str) -> None:
    """A misspelt name would otherwise check nothing."""
    with pytest.raises(ValueError, match=told):
        checks_of(engine, **words)


def test_the_kit_needs_no_pytest_and_no_torch_to_list_checks(tmp_path: Path) -> None:
    """A test suite that collects its checks waits for neither."""
    code = (
        "import sys; from significand.testing import checks_of; checks_of('torch');"
        "print([name for name in ('pytest', 'torch', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
