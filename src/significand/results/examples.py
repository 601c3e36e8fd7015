"""The scores of all held-out examples of an experiment as one file: examples.npz."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from significand.results.records import Run
from significand.results.store import replacing


def example_arrays(runs: Iterable[tuple[Run, Mapping[str, np.ndarray]]]) -> dict[str, np.ndarray]:
    """Return the scores of runs by the names of `EXAMPLE_ARRAYS`; a run without one for each example has none.

    Parameters
    ----------
    runs
        Each with its details.
    """
    codes: dict[str, int] = {}
    parts: list[dict[str, np.ndarray]] = []
    for run, details in runs:
        scores, examples = details.get("test_score"), details.get("test_example")
        if scores is None or examples is None or scores.size != examples.size:
            continue
        n, answers = scores.size, details.get("test_answer", examples[:0])
        code = codes.setdefault(run.setup, len(codes))
        parts.append(
            {
                "setup": np.full(n, code, dtype=np.int32),
                "repeat": np.full(n, run.repeat, dtype=np.int32),
                "example": examples.astype(np.int64),
                "score": scores.astype(np.float64),
                "answer": answers.astype(np.int64) if answers.size == n else np.full(n, -1, dtype=np.int64),
            }
        )
    empty = {name: np.empty(0, np.int64) for name in ("setup", "repeat", "example", "answer")} | {"score": np.empty(0)}
    columns = {name: np.concatenate([part[name] for part in parts or [empty]]) for name in empty}
    return {"setup_name": np.array(list(codes), dtype=str), **columns}


def write_examples(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write what `example_arrays` gives, whole or not at all."""
    with replacing(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # arrays by name
