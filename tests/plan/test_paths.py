import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from significand.plan.paths import expanded, shell_word
from significand.plan.problems import PlanError

HOME = os.path.expanduser("~")  # noqa: PTH111 - what is looked for


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("~", HOME),
        ("~/x.csv", f"{HOME}/x.csv"),
        ("~root/x", "/root/x"),
        ("a/~/b", "a/~/b"),
        ("./~/b", "./~/b"),
        ("~backup-of-nobody.csv", "~backup-of-nobody.csv"),
        ("", ""),
    ],
)
def test_a_tilde_is_the_home_folder(given: str, found: str) -> None:
    """At the beginning, alone or with a user's name; anywhere else, and where no such user is, it is a letter."""
    assert expanded("data", given) == found


def test_a_home_folder_that_nobody_knows_is_an_error() -> None:
    """A folder called ~nobody-at-all is not made by mistake; the remedy is in the line."""
    with pytest.raises(
        PlanError, match="output_dir: the home folder '~nobody-at-all' is not known; give the whole path"
    ):
        expanded("output_dir", "~nobody-at-all/results")


def test_a_path_that_cannot_be_is_an_error() -> None:
    """No path holds a null character."""
    with pytest.raises(PlanError, match=r"data: 'a\\x00b' holds a null character"):
        expanded("data", "a\0b")


def shells_words(text: str) -> list[str]:
    """Return the words that a shell makes of a text."""
    told = subprocess.run(["bash", "-c", f"printf '%s\\0' {text}"], capture_output=True, check=True).stdout  # noqa: S607
    return [os.fsdecode(word) for word in told.split(b"\0")[:-1]]


@pytest.mark.parametrize(
    "text", ["-x", "--help", "~", "~/x", "a b", "it's", "$HOME`id`", "a\nb", "ü\udcff\x1b[2J", "*"]
)
def test_a_shell_gives_the_path_back(text: str) -> None:
    """Whatever it is called: one word, that is no flag, no home folder, and stands in one line."""
    word = shell_word(Path(text))
    assert "\n" not in word
    (back,) = shells_words(word)
    assert Path(back) in {Path(text), Path.cwd() / text}
    assert back[0] not in "-~"
    assert shells_words(f"--output-dir={word}") == [f"--output-dir={back}"]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9))
def test_any_name_comes_back(name: str) -> None:
    """Every name that a file can have."""
    (back,) = shells_words(shell_word(name))
    assert Path(back) in {Path(name), Path.cwd() / name}
