"""Behaviour of the package as a whole: imports are light, names resolve late."""

import subprocess
import sys

import pytest

import significand


@pytest.mark.parametrize(
    "code",
    [
        "import significand",
        "from significand.cli import main; main(['--help'])",
        "from significand.cli import main; main(['run', '--help'])",
        "import significand.analysis.summary, significand.analysis.pareto",
        "import significand.statistical_analysis, significand.runner.conductor",
        "import significand.present.plots, significand.present.terminal",
        "import significand.compare, significand.history, significand.present.compare_view",
        "import significand; significand.load; import significand.report, significand.present.report",
    ],
)
def test_torch_is_imported_only_to_compute(code: str) -> None:
    """Help, analysis, presentation and the conductor never import torch."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; sys.exit('torch' in sys.modules)"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0


def test_importing_the_package_imports_nothing_heavy() -> None:
    """`import significand` loads nothing but itself and Python's own modules."""
    code = "import sys; before = set(sys.modules); import significand; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - sys.stdlib_module_names == {"significand"}


def test_public_names_resolve() -> None:
    """Every public name is there and listed; others are an AttributeError."""
    for name in significand.__all__:
        assert getattr(significand, name) is not None
    assert set(significand.__all__) == set(dir(significand))
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = significand.nothing_here
