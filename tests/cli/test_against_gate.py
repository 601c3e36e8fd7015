"""Behaviour of `significand run --fail-on`: where it means something, and how it ends."""

from pathlib import Path

import pytest

from conftest import blocks_of, small_experiment
from made_up_place import made_up_run
from made_up_results import with_values
from significand.analysis.claims import Claims, claims_of
from significand.cli import BAD_INPUT, DONE, main
from significand.cli.against import gate_of
from significand.cli.common import FAILED_GATE
from significand.results.table import table_of


def claims(repeats: int, sizes_mb: tuple[float, float] = (1.0, 1.0)) -> Claims:
    """Return what made-up runs say, with the size of the model here and there."""
    experiment = small_experiment(against="venv", precision_modes=["float32"], repeats=repeats)
    runs = [made_up_run(block, setup)[0] for block in blocks_of(experiment) for setup in block.setups]
    runs = with_values(runs, "model_size_mb", sizes_mb * repeats)
    return claims_of(table_of(runs), experiment)


def test_a_gate_needs_something_to_be_held_against(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before anything is measured, and says what to do."""
    assert main(["run", "--fail-on", "worse", "--output-dir", str(tmp_path / "out")]) == BAD_INPUT
    assert capsys.readouterr().err.splitlines()[-1] == (
        "significand: fail_on: 'worse' means nothing without --against, the environment to be held against; give it, "
        "or judge two folders with `significand compare OLD NEW --fail-on worse`"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sizes_mb", "worse", "different"),
    [((1.0, 1.0), DONE, DONE), ((2.0, 1.0), FAILED_GATE, FAILED_GATE), ((1.0, 2.0), DONE, FAILED_GATE)],
)
def test_what_is_worse_here_fails_the_gate(sizes_mb: tuple[float, float], worse: int, different: int) -> None:
    """A file that is larger here is worse; one that is smaller is only different."""
    found = claims(3, sizes_mb)
    assert (gate_of(found, "worse"), gate_of(found, "different")) == (worse, different)


def test_a_single_repeat_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be tested then, and the setup is named."""
    assert gate_of(claims(1), "worse") == BAD_INPUT
    told, end = capsys.readouterr().err.splitlines()
    assert told == "significand: fail_on: nothing could be tested of float32-here; measure at least 2 repeats"
    assert end == "significand: --fail-on worse: not judged"
