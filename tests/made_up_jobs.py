"""Experiments that take no time, and such as were interrupted; what their folders then hold."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from made_up_place import MadeUpPlace
from made_up_results import read_runs
from significand.answers.folder import Folder
from significand.job import ExperimentInterrupted, run_experiment_in
from significand.results.records import Progress
from significand.results.store import MANIFEST, NETWORKS, PLOTS, REPORT, RESULTS, replacing
from significand.runner.conductor import OnProgress

QUICK = [
    "run",
    *("--data", "synthetic", "--layer-sizes", "16-32-4", "--activations", "relu,softmax", "--n-samples", "200"),
    *("--batch-size", "16", "--epochs", "2", "--latency-rounds", "2", "--round-duration-s", "0.002"),
    *("--repeats", "2", "--modes", "float32,int8"),
]


LEFT = frozenset(RESULTS) - {NETWORKS}
"""What an experiment leaves where nobody asks for its networks."""


def plain_plots(rows: object, folder: Path) -> None:
    """Stand in for the plots: files of the right names, made as the plots are."""
    del rows
    for name in PLOTS:
        with replacing(folder / name, "wb") as file:
            file.write(b"plot")


def plain_report(results: Folder, meanwhile: Callable[[], object] = lambda: None) -> Path:
    """Stand in for the report: a file of the right name, made as the report is, that says how it all ended."""
    meanwhile()
    path = results.path / REPORT
    with replacing(path, "w") as file:
        file.write(f"{results.manifest['state']}, {len(results.runs)} runs, {len(results.rows)} modes")
    return path


def take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let experiments start no processes, draw nothing, and wait for no disk: no test cuts the power."""
    monkeypatch.setattr("os.fsync", lambda file: None)  # noqa: ARG005
    monkeypatch.setattr("significand.job.Here", MadeUpPlace)
    monkeypatch.setattr("significand.job.import_parts", lambda: None)
    nothing_drawn(monkeypatch)


def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let experiments draw nothing, and report in a word."""
    monkeypatch.setattr("significand.present.plots.write.save_tradeoff_plots", plain_plots)
    monkeypatch.setattr("significand.present.plots.write.save_pareto_plot", plain_plots)
    monkeypatch.setattr("significand.present.plots.write.one_artist", lambda: contextlib.nullcontext(lambda: None))
    monkeypatch.setattr("significand.job.write_report", plain_report)


def interrupt_at(ended: int) -> OnProgress:
    """Return a watcher that presses Ctrl-C when so many runs have ended, or more: several may end at once."""

    def press(progress: Progress) -> None:
        if progress.block and progress.ended >= ended:
            raise KeyboardInterrupt

    return press


def interrupted(folder: Path, after: int = 1, /, **changes: object) -> None:
    """Leave an experiment of four runs in the folder that was interrupted after some of them."""
    with pytest.raises(ExperimentInterrupted):
        run_experiment_in(folder, SMALL | changes, interrupt_at(after))


def scores(folder: Path) -> dict[str, tuple[float, int]]:
    """Return accuracy and seed of each run in a folder's table, by the run's name."""
    runs = read_runs(folder / "raw_runs.csv")
    assert len({run.name for run in runs}) == len(runs)
    return {run.name: (run.final_train_accuracy, run.seed) for run in runs}


def manifest(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest."""
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))  # type: ignore[no-any-return]
