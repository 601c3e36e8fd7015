"""`significand explain`."""

import json
from pathlib import Path

import pytest

from significand.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of a small CNN in float32 and int8."""
    folder = tmp_path_factory.mktemp("explained") / "results"
    words = ["run", "cnn", "-q", "--precision", "float32,int8", "--repeats", "1", "--epochs", "1", "--n-samples", "200"]
    words += ["--latency-rounds", "2", "--round-duration-s", "0.01", "--output-dir", str(folder)]
    assert main(words) == 0
    return folder


def test_shares_of_a_real_network_add_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every setup's parts are its whole call, and its formats its whole work."""
    assert main(["explain", str(folder), "--json"]) == 0
    setups = json.loads(capsys.readouterr().out)
    assert [one["setup"] for one in setups] == ["float32", "int8"]
    for one in setups:
        assert sum(one["times_s"].values()) == pytest.approx(one["latency_s"], rel=1e-6)
        assert sum(one["formats"].values()) == pytest.approx(1)
        assert all(operator["time_s"] > 0 for operator in one["operators"] if operator["format"])
    assert set(setups[1]["formats"]) == {"int8"}


def test_one_setup_is_shown_operator_by_operator(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its kinds, and the sentence that says it in short."""
    assert main(["explain", str(folder), "--setup", "int8"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "int8 computed all of its 3 layers in int8" in shown
    assert "QGemm" in shown


def test_a_setup_that_is_not_there_is_refused_with_those_that_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value, and the remedy."""
    assert main(["explain", str(folder), "--setup", "int9"]) == 2
    assert "'int9' is none of this folder's; give one of float32, int8" in " ".join(capsys.readouterr().err.split())


def test_operators_are_a_file_of_the_folder(folder: Path) -> None:
    """For whoever makes a table of their own."""
    header, *lines = (folder / "operators.csv").read_text("utf-8").splitlines()
    assert header.startswith("repeat,precision_mode,setup,name,kind,format,multiply_adds")
    assert len(lines) > 10


def test_the_page_has_a_section_of_it(folder: Path) -> None:
    """With each setup's sentence."""
    page = (folder / "report.html").read_text("utf-8")
    assert "where the time goes" in page
    assert "int8 computed all of its 3 layers in int8" in page
