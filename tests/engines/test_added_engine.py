"""An engine that another package adds: ``tests/example_engine``, installed here as a wheel would be."""

import csv
import html
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from made_up_jobs import QUICK
from made_up_packages import EXAMPLE, installed
from made_up_results import read_runs
from significand.cli import BAD_INPUT, SOME_RUN_FAILED
from significand.engines.operators import CALL
from significand.results.records import Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]


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
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["machine"]["versions"]["significand-numpy-engine"] == "1.0"


def changed(old: str, new: str) -> str:
    """Return the text of the engine's module with another piece of it."""
    text = (EXAMPLE / "significand_numpy_engine.py").read_text("utf-8")
    assert text.count(old) == 1
    return text.replace(old, new)


def beside_onnxruntime(
    site: Path, out: Path, *words: str
) -> tuple[subprocess.CompletedProcess[str], Mapping[str, Run]]:
    """Measure once in float32 on both; return how it ended, and the run of each engine."""
    options = ["--precision", "float32", "--engine", "onnxruntime,numpy", "--repeats", "1", *words]
    done = called(site, *QUICK, *options, "--output-dir", str(out))
    return done, {run.engine: run for run in read_runs(out / "raw_runs.csv")}


PROFILER = """
    def profile(self, path, setup, feeds, calls):
        import os, signal
        os.kill(os.getpid(), signal.SIGSEGV)

    def open(self, path"""


def test_a_profiler_that_kills_its_process_costs_times_only(tmp_path: Path) -> None:
    """The run finishes; `explain`, the page and operators.csv say why its operators have no times."""
    site = installed(tmp_path / "site", changed("\n    def open(self, path", PROFILER))
    done, runs = beside_onnxruntime(site, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert [run.status for run in runs.values()] == ["finished", "finished"]
    why = "numpy's profiler failed: the process that profiles was killed by SIGSEGV"
    told = called(site, "explain", str(tmp_path / "out"))
    assert f"where its time goes is not known: {why}" in " ".join(told.stdout.split())
    setups = json.loads(called(site, "explain", str(tmp_path / "out"), "--json").stdout)
    assert {one["engine"]: one["untimed"] for one in setups} == {"onnxruntime": "", "numpy": why}
    with (tmp_path / "out" / "operators.csv").open(encoding="utf-8", newline="") as file:
        notes = [(row["name"], row["time_s"], row["note"]) for row in csv.DictReader(file) if row["note"]]
    assert notes == [(CALL, "", why)]
    assert why in html.unescape((tmp_path / "out" / "report.html").read_text("utf-8"))


def test_an_engine_that_refuses_a_layer_of_ours_is_tried_and_run(tmp_path: Path) -> None:
    """How it computes is found with a layer that it need not take: where it does not, nothing is said of that."""
    site = installed(tmp_path / "site", changed('    "linear": lambda x: x,\n', ""))
    tried = called(site, "modes", "--json")
    assert tried.returncode == 0, tried.stderr
    found = {one["precision_mode"]: one for one in json.loads(tried.stdout) if one["engine"] == "numpy"}
    assert (found["float16"]["how"], found["float16"]["arithmetic"]) == ("native", "")
    words = ["--precision", "float16", "--engine", "numpy", "--repeats", "1"]
    done = called(site, *QUICK, *words, "--output-dir", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("no_orphans")
def test_compiling_that_takes_longer_than_a_step_may_fails_that_run_alone(tmp_path: Path) -> None:
    """Its row says why and what to do; nothing goes on compiling, and the other engine's run is finished."""
    compiling = "        import time\n        time.sleep(600)\n        return functools.partial(self._infer"
    site = installed(tmp_path / "site", changed("        return functools.partial(self._infer", compiling))
    done, runs = beside_onnxruntime(site, tmp_path / "out", "--step-timeout-s", "5")
    assert done.returncode == SOME_RUN_FAILED, done.stderr
    assert (runs["onnxruntime"].status, runs["numpy"].status) == ("finished", "failed")
    assert runs["numpy"].reason == "timed out: a preparation took longer than 5 s; raise step_timeout_s"


def test_one_that_runs_modules_only_takes_no_file_and_one_that_takes_long_is_not_tried(tmp_path: Path) -> None:
    """What it declares counts as for those of this package."""
    site = installed(tmp_path / "site", changed("    is_tried = True", "    is_tried = False"))
    words = ["net.onnx", "--engine", "onnxruntime,numpy", "--precision", "float32"]
    refused = called(site, "run", *words, "--output-dir", str(tmp_path / "out"))
    assert refused.returncode == BAD_INPUT
    assert "engine: 'numpy' runs torch modules, and 'net.onnx' is none; leave it out" in refused.stderr
    code = "from significand.engines.base import engines_tried; print(*engines_tried())"
    listed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert listed.stdout.split() == ["onnxruntime", "openvino", "torch"]


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


def test_one_that_cannot_be_used_is_left_out_where_another_can(tmp_path: Path) -> None:
    """With the cause; the other engine's runs are those that there are."""
    done, runs = beside_onnxruntime(installed(tmp_path / "site", "import not_there"), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "cannot be imported: ModuleNotFoundError: No module named 'not_there': 1 setup left out." in " ".join(
        done.stdout.split()
    )
    assert list(runs) == ["onnxruntime"]
