"""Behaviour of reading a path that somebody gave."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from significand.plan.paths import path_of


@pytest.mark.parametrize("given", ["a/b", Path("a/b"), PurePosixPath("a/b"), np.str_("a/b")], ids=repr)
def test_texts_and_paths_are_paths(given: object) -> None:
    """Whatever stands for a text with ``__fspath__``, or is one."""
    assert path_of("folder", given) == Path("a/b")


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (5, TypeError, "5 is not a path"),
        (True, TypeError, "True is not a path"),
        (None, TypeError, "None is not a path"),
        (b"a", TypeError, "b'a' is not a path"),
        (["a"], TypeError, r"\['a'\] is not a path"),
        ("", ValueError, "'' names nothing"),
        ("a\0b", ValueError, "null character"),
    ],
    ids=repr,
)
def test_the_rest_is_one_clear_error(given: object, kind: type[Exception], said: str) -> None:
    """It names the argument and the value; an empty text is never the working directory."""
    with pytest.raises(kind, match=f"^folder: .*{said}"):
        path_of("folder", given)
