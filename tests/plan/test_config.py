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
        ("seed = 3".encode("utf-16-be"), "is in UTF-16 or UTF-32"),
        ("seed = 3".encode("utf-32"), "is in UTF-16 or UTF-32"),
        (b"seed = 3\n# Gr\xf6\xdfe\n", r"is not in UTF-8 \(invalid start byte in line 2\); save it as UTF-8"),
        (b"data = '" + b"x" * 10**7 + b"'", "has more than 1000000 bytes"),
        (b"seed = 3\na" + b".a" * 50_000 + b" = 1\n", "has more than 100 dots in line 2"),
        (b"[a" + b".a" * 50_000 + b"]\n", "has more than 100 dots in line 1"),
        (b"output_dir = ''", "output_dir: '' is not a path"),
        (b"output_dir = '~nobody-at-all/x'", "output_dir: the home folder '~nobody-at-all' is not known"),
        (b'data = "a\\u0000b.csv"', "data: .* holds a null character"),
        (b"output_dir = 5", "output_dir: 5 is not a text"),
        (None, "No such file or directory"),
    ],
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
    (tmp_path / "link.toml").symlink_to(tmp_path / "plan.toml")
    for path in (tmp_path, tmp_path / "plan.toml", tmp_path / "link.toml", Path("/dev/zero")):
        with pytest.raises(PlanError) as caught:
            read_config(path)
        assert caught.value.problems == (f"config: {str(path)!r} is not a file; give the path of a TOML file",)


def test_config_with_a_name_that_no_file_can_have_is_one_problem(tmp_path: Path) -> None:
    """A path too long to be looked at is said."""
    with pytest.raises(PlanError, match="File name too long"):
        read_config(tmp_path / ("x" * 5000))


def test_a_byte_order_mark_is_no_part_of_the_config(tmp_path: Path) -> None:
    """Some editors put one before UTF-8."""
    (tmp_path / "plan.toml").write_text("\ufeffrepeats = 3\n", encoding="utf-8")
    assert read_config(tmp_path / "plan.toml") == {"repeats": 3}


def test_a_tilde_in_a_config_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the paths of data and results, and in the path of the file itself, as --config=~/plan.toml gives it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "plan.toml").write_text('data = "~/a.csv"\noutput_dir = "~/out"\n', encoding="utf-8")
    assert read_config(Path("~/plan.toml")) == {"data": f"{tmp_path}/a.csv", "output_dir": f"{tmp_path}/out"}


def test_an_output_folder_may_be_called_as_built_in_data(tmp_path: Path) -> None:
    """Only as data such a word is no path."""
    (tmp_path / "a.toml").write_text('data = "digits"\noutput_dir = "digits"\n', encoding="utf-8")
    assert read_config(tmp_path / "a.toml") == {"data": "digits", "output_dir": str(tmp_path / "digits")}
