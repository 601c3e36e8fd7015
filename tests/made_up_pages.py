"""Evidence that nobody measured, with single times: what the tests of the report are about."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from made_up_results import made_up_folder, made_up_runs
from significand.answers.folder import Folder, read_folder
from significand.results.records import Run
from significand.results.store import DETAILS

KNOWN = ("float32", "float16", "int8")

HOSTILE = (
    '</script><script>alert("1")</script>',
    "\"'><img src=x onerror=alert(1)>&amp;",
    "n" * 300,
    "שלום\u202eevil\u2066\x1b[2J\x00",
    "{{ 7 * 7 }}{% raw %}",
)
"""Names of modes and the like that must show as text."""


def made_up_details(
    *shakes: int, epochs: int = 5, rounds: int = 6, calls: int = 40, disturbed: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """Return the single times of a run; of the rounds in `disturbed` there is a second, quiet attempt that counts."""
    random = np.random.default_rng(shakes)
    steps = [("training", index, 0, False) for index in range(epochs)]
    for index in range(rounds):
        steps.append(("inference", index, 0, index in disturbed))
        steps += [("inference", index, 1, False)] if index in disturbed else []
    again = {(phase, index) for phase, index, attempt, _ in steps if attempt == 1}
    return {
        "epoch_time_s": 0.1 * np.exp(0.05 * random.normal(size=epochs)),
        "epoch_loss": 2.0 / np.arange(1, epochs + 1) + 0.01 * random.random(epochs),
        "call_latency_s": 64e-6 * np.exp(0.1 * random.normal(size=rounds * calls)),
        "call_round": np.repeat(np.arange(rounds), calls),
        "step_phase": np.array([phase for phase, *_ in steps]),
        "step_index": np.array([index for _, index, *_ in steps]),
        "step_attempt": np.array([attempt for *_, attempt, _ in steps]),
        "step_time_s": np.array([3.0 if others else 1.0 for *_, others in steps]) * (1 + 0.01 * random.random()),
        "step_share": np.array([0.5 if others else 0.01 for *_, others in steps]),
        "step_disturbed": np.array([others for *_, others in steps]),
        "step_counted": np.array([attempt == 1 or (phase, index) not in again for phase, index, attempt, _ in steps]),
    }


def made_up_experiment(
    folder: Path,
    modes: Sequence[str] = KNOWN,
    *,
    n: int = 4,
    failed: Sequence[str] = (),
    details: Mapping[str, object] | None = None,
    columns: Mapping[str, object] | None = None,
    experiment: Mapping[str, object] | None = None,
    **facts: object,
) -> Folder:
    """Return the results of a result folder with `n` runs of every mode.

    Parameters
    ----------
    folder
        Where it is written.
    failed
        Modes of which every run failed.
    details
        What `made_up_details` takes by name; None for runs without single times.
    columns
        What is the same in all runs.
    experiment, facts
        What the manifest says beside what it always says.
    """
    runs: list[Run] = []
    for place, mode in enumerate(modes):
        made = made_up_runs(place, mode=mode, n=n, slower=1 + 0.4 * place, spread=0.02)
        common = {"engine": "onnxruntime", "training_precision": "float32", "calls_per_timing": 1, **(columns or {})}
        lost = {"status": "failed", "reason": "the loss is not finite"} if mode in failed else {}
        runs += [replace(run, **common | lost) for run in made]  # type: ignore[arg-type]  # columns by name
    fields = {"precision_modes": list(modes), "repeats": n, **(experiment or {})}
    made_up_folder(folder, runs, experiment=fields, **facts)  # type: ignore[arg-type]  # facts of the manifest
    results = read_folder(folder)
    if details is not None:
        (folder / DETAILS).mkdir()
        for place, run in enumerate(run for run in runs if run.finished):
            with contextlib.suppress(OSError, ValueError):  # of a name that no file can have there are no times
                arrays = made_up_details(place, **details)  # type: ignore[arg-type]  # by name
                np.savez(folder / DETAILS / f"{run.name}.npz", **arrays)  # type: ignore[arg-type]
    return results
