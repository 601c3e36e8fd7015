"""Behaviour of the package as a whole: imports are light, names resolve late."""

import subprocess
import sys
from types import ModuleType

import pytest

import significand
import significand.analysis


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import significand",
        "from significand.cli import main; main(['--help'])",
        "from significand.cli import main; main(['run', '--help'])",
        "import significand.analysis.summary, significand.analysis.pareto",
        "import significand.statistical_analysis, significand.runner.conductor",
        "import significand.present.plots.write, significand.present.terminal.tables",
        "import significand.answers.compare, significand.answers.history, significand.present.terminal.compare_view",
        "import significand; significand.load; import significand.present.page",
        "import significand.fleet_job, significand.block_job, significand.merge_job",
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


@pytest.mark.parametrize("package", [significand, significand.analysis])
def test_public_names_resolve(package: ModuleType) -> None:
    """Every public name is there and listed; others are an AttributeError."""
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) == set(dir(package))
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = package.nothing_here
