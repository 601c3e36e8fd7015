"""An engine that another package adds: ``tests/example_engine``, installed here as a wheel would be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from made_up_jobs import QUICK
from made_up_packages import installed

pytestmark = pytest.mark.slow


def called(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the command line with the package installed."""
    return subprocess.run(
        [sys.executable, "-m", "significand", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=site,
    )


def test_it_stands_beside_those_of_this_package(tmp_path: Path) -> None:
    """It takes turns with onnxruntime in one experiment, and the format it computes in is found by looking."""
    words = [*QUICK, "--precision", "float32,float16", "--engine", "onnxruntime,numpy"]
    done = called(installed(tmp_path / "site"), *words, "--output-dir", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "summary_stats.json").read_text(encoding="utf-8"))
    ran = {(row["engine"], row["precision_mode"]): row["effective_precision"] for row in rows}
    assert ran == {
        ("onnxruntime", "float32"): "float32",
        ("onnxruntime", "float16"): "float32",
        ("numpy", "float32"): "float32",
        ("numpy", "float16"): "float16",
    }
    assert all(row["repeats"] == 2 and row["accuracy_mean"] > 0.2 for row in rows)


def test_the_table_of_modes_has_it(tmp_path: Path) -> None:
    """`significand modes` tries it on this machine as it tries the others."""
    done = called(installed(tmp_path), "modes", "--json")
    found = {(one["engine"], one["precision_mode"]): one["how"] for one in json.loads(done.stdout)}
    assert {mode: how for (engine, mode), how in found.items() if engine == "numpy"}["float16"] == "native"


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import not_there", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("ENGINE = object()", "is no engine: it has no file_suffix, preload"),
        ("raise SystemExit", "cannot be imported: SystemExit"),
    ],
)
def test_one_that_cannot_be_used_is_named_with_its_package(module: str, told: str, tmp_path: Path) -> None:
    """Asked for, it is refused with the cause and the package to mend."""
    site = installed(tmp_path / "site", module)
    refused = called(site, "run", "--modes", "float32", "--engine", "numpy", "--output-dir", str(tmp_path / "out"))
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "of the package significand-numpy-engine; mend or uninstall it" in refused.stderr
    assert not (tmp_path / "out").exists()
