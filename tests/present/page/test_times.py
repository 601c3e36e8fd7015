from pathlib import Path

import numpy as np
import pytest

from made_up_pages import HOSTILE, made_up_details, made_up_experiment
from significand.present.page.setups import setups_of
from significand.present.page.times import MOST_NOTES, read_times
from significand.results.store import DETAILS


def test_times_are_read_by_setup(tmp_path: Path) -> None:
    """Every finished run has its arrays; modes without one are left out."""
    results = made_up_experiment(tmp_path / "a", failed=["int8"], details={})
    times, notes = read_times(results, setups_of(results))
    assert [one.setup.mode for one in times] == ["float32", "float16"]
    assert all(len(one.runs) == 4 for one in times)
    assert "epoch_loss" in times[0].runs[0].arrays
    assert notes == []


def test_missing_times_are_counted(tmp_path: Path) -> None:
    """Where details/ is not there, one sentence says so."""
    results = made_up_experiment(tmp_path / "a")
    times, notes = read_times(results, setups_of(results))
    assert not any(one.runs for one in times)
    assert notes == ["Of 12 runs there are no single times in details/."]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"call_round": np.zeros(3)}, "call_latency_s, call_round differ"),
        (
            {"epoch_loss": np.zeros((5, 1)), "epoch_time_s": np.zeros((5, 1))},
            "epoch_time_s has the shape (5, 1) of float64",
        ),
        ({"step_time_s": np.array(["a"] * 11)}, "step_time_s holds <U1, not numbers"),
    ],
)
def test_times_that_do_not_fit_are_left_out_with_their_reason(
    tmp_path: Path, change: dict[str, np.ndarray], words: str
) -> None:
    """A file that was tampered with costs one run's curves, and the page names it."""
    results = made_up_experiment(tmp_path / "a", details={})
    np.savez(results.path / DETAILS / "r000-int8.npz", **(made_up_details(0) | change))  # type: ignore[arg-type]
    times, notes = read_times(results, setups_of(results))
    assert len(times[2].runs) == 3
    assert len(notes) == 1
    assert "r000-int8" in notes[0]
    assert words in notes[0]


def test_damaged_files_are_named_but_not_all_of_them(tmp_path: Path) -> None:
    """A few are named one by one, the rest is counted."""
    results = made_up_experiment(tmp_path / "a", details={})
    for path in (results.path / DETAILS).iterdir():
        path.write_bytes(b"no archive")
    _, notes = read_times(results, setups_of(results))
    assert len(notes) == MOST_NOTES + 1
    assert notes[-1] == "So are those of 8 other runs."


def test_names_that_no_file_can_have_are_no_error(tmp_path: Path) -> None:
    """A run whose times cannot even be looked for has none."""
    results = made_up_experiment(tmp_path / "a", HOSTILE)
    _, notes = read_times(results, setups_of(results))
    assert all(note.isprintable() for note in notes)


def test_arrays_that_older_versions_did_not_write_are_missed_by_nobody(tmp_path: Path) -> None:
    """Of arrays that belong together all are there or none."""
    results = made_up_experiment(tmp_path / "a", ["float32"], n=1, details={})
    kept = {"epoch_loss": np.ones(2), "epoch_time_s": np.ones(2), "call_latency_s": np.ones(2)}
    np.savez(results.path / DETAILS / "r000-float32.npz", **kept)  # type: ignore[arg-type]
    times, _ = read_times(results, setups_of(results))
    assert set(times[0].runs[0].arrays) == {"epoch_loss", "epoch_time_s"}
