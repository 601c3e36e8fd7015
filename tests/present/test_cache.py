"""Behaviour of the choice of a cache folder."""

from pathlib import Path
from typing import NoReturn

import pytest

from significand.present.cache import cache_folder
from significand.present.page.vega import VegaScript

pytestmark = pytest.mark.slow


def test_the_cache_is_where_the_specification_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME where it is absolute, else .cache below the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "significand"
    monkeypatch.setenv("HOME", str(tmp_path))
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_folder() == tmp_path / ".cache" / "significand"


@pytest.mark.slow
def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user has no home folder there is no cache, and the charts' script is made all the same."""

    def homeless() -> NoReturn:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert cache_folder() is None
    with VegaScript() as script:
        assert "vegaEmbed" in script.text()
    monkeypatch.setattr("pathlib.Path.home", lambda: Path("relative"))
    assert cache_folder() is None
