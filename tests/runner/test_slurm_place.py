"""What Slurm is asked for is checked before a job is submitted. A real Slurm is started by benchmarks/slurm.py."""

from pathlib import Path

import pytest

from significand.plan.problems import PlanError
from significand.runner.slurm_place import SlurmPlace, wishes_of


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("", {}),
        ("partition=bench,time=30", {"partition": "bench", "time": "30"}),
        ("nodelist=n[1-3,7],jobs=2", {"nodelist": "n[1-3,7]", "jobs": "2"}),
        ("nodelist=a,b,c,time=5", {"nodelist": "a,b,c", "time": "5"}),
        ("constraint=zen4&fast, --qos=high", {"constraint": "zen4&fast", "qos": "high"}),
    ],
)
def test_wishes_are_read(text: str, wishes: dict[str, str]) -> None:
    """Names with values, commas between; a list of nodes may have commas, too."""
    assert wishes_of(text) == wishes


def test_all_that_is_wrong_is_said() -> None:
    """Every unknown name, missing value, and number that is none has a line."""
    with pytest.raises(PlanError) as refused:
        wishes_of("partitoin=x,time=soon,jobs=0,qos=")
    assert [line[:40] for line in refused.value.problems] == [
        "slurm: 'partitoin' cannot be asked for (",
        "slurm: qos has no value; give qos=...",
        "slurm: time: 'soon' is no number of minu",
        "slurm: jobs: '0' is no number of jobs at",
    ]


def test_without_slurm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Slurm's commands are not, the remedy is to submit where they are."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlanError, match="submit where Slurm's commands are"):
        SlurmPlace("", tmp_path / "b", tmp_path / "f", (), each=False).__enter__()


def command(folder: Path, name: str, script: str) -> None:
    """Put a command of Slurm's into a folder."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_unknown_partitions_and_missing_nodes_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that Slurm does not know, and `each` without a list of nodes, are refused; nothing is made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("sbatch", "squeue"):
        command(tmp_path, name, "exit 0")
    command(tmp_path, "sinfo", "echo bench; echo debug")
    with pytest.raises(PlanError) as refused:
        SlurmPlace("partition=bensh", tmp_path / "b", tmp_path / "f", (), each=True).__enter__()
    first, second = refused.value.problems
    assert first == "slurm: partition: 'bensh' is not known here (did you mean 'bench'?); give one of bench, debug"
    assert "give nodelist=n[1-4], or --hosts share" in second
    assert not (tmp_path / "f").exists()
    command(tmp_path, "sinfo", "echo 'error: no route' >&2; exit 1")
    with pytest.raises(PlanError, match="sinfo failed: error: no route; check that slurmctld runs"):
        SlurmPlace("", tmp_path / "b", tmp_path / "f", (), each=False).__enter__()
