import os
from pathlib import Path

import pytest

from significand.plan.config import read_config
from significand.plan.problems import PlanError


def test_config_paths_are_relative_to_its_folder(tmp_path: Path) -> None:
    """Paths in a TOML file count from its folder; names of data sets and absolute paths stay."""
    config = tmp_path / "plan.toml"
    config.write_text('data = "sub/a.csv"\noutput_dir = "out"\nrepeats = 3\n', encoding="utf-8")
    assert read_config(config) == {
        "data": str(tmp_path / "sub/a.csv"),
        "output_dir": str(tmp_path / "out"),
        "repeats": 3,
    }
    config.write_text('data = "digits"\noutput_dir = "/elsewhere"\n', encoding="utf-8")
    assert read_config(config) == {"data": "digits", "output_dir": "/elsewhere"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"repeats = \n", "is not valid TOML"),
        (b"\xff\xfe", "is in UTF-16 or UTF-32; save it as UTF-8"),
        (b"seed = " + b"9" * 5000, "is not valid TOML"),
        (b"output_dir = 5", "output_dir: 5 is not a text"),
        (None, "No such file or directory"),
    ],
    ids=["syntax", "not utf-8", "endless number", "no path", "missing"],
)
def test_config_that_cannot_be_read_is_one_problem(tmp_path: Path, content: bytes | None, words: str) -> None:
    """A missing or broken TOML file is one clear line."""
    config = tmp_path / "plan.toml"
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(PlanError, match=words) as caught:
        read_config(config)
    assert len(caught.value.problems) == 1


def test_config_that_is_no_file_is_one_problem(tmp_path: Path) -> None:
    """A folder in place of the TOML file is said, and a pipe, at once: nobody may ever write to it."""
    os.mkfifo(tmp_path / "plan.toml")
    for path in (tmp_path, tmp_path / "plan.toml"):
        with pytest.raises(PlanError, match="is not a file; give the path of a TOML file"):
            read_config(path)


def test_config_with_a_name_that_no_file_can_have_is_one_problem(tmp_path: Path) -> None:
    """A path too long to be looked at is said."""
    with pytest.raises(PlanError, match="File name too long"):
        read_config(tmp_path / ("x" * 5000))
