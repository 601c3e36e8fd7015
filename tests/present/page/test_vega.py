import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from significand.present.page import vega
from significand.present.page.vega import VegaScript, still_picture

pytestmark = pytest.mark.slow

CODE = "import sys; sys.stdout.buffer.write('window.vegaEmbed = \"µ\"'.encode())"


@pytest.fixture
def never_started(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes it an error to start a process."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    return lambda: monkeypatch.setattr(subprocess, "Popen", refuse)


def test_the_script_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, never_started: Callable[[], None]
) -> None:
    """The first page makes it in the background and keeps it; the next one reads it."""
    monkeypatch.setattr(vega, "_BUNDLE", CODE)
    with VegaScript(tmp_path / "cache") as script:
        assert script.text() == 'window.vegaEmbed = "µ"'
        assert script.text() == 'window.vegaEmbed = "µ"'
    never_started()
    with VegaScript(tmp_path / "cache") as script:
        assert script.text() == 'window.vegaEmbed = "µ"'


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every page makes the script anew."""
    monkeypatch.setattr(vega, "_BUNDLE", CODE)
    (tmp_path / "file").write_text("in the way")
    for _ in range(2):
        with VegaScript(tmp_path / "file") as script:
            assert "vegaEmbed" in script.text()


def test_a_script_that_cannot_be_made_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the tool and what to do; nothing is kept."""
    monkeypatch.setattr(vega, "_BUNDLE", "raise SystemExit(3)")
    with VegaScript(tmp_path) as script, pytest.raises(RuntimeError, match=r"ended with 3; install vl-convert"):
        script.text()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that fails before the script is needed ends its making."""
    monkeypatch.setattr(vega, "_BUNDLE", "import time; time.sleep(60)")
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def watched(*arguments: object, **options: object) -> "subprocess.Popen[bytes]":
        started.append(start(*arguments, **options))  # type: ignore[call-overload]  # as they come
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", watched)
    with pytest.raises(KeyError), VegaScript(tmp_path):
        raise KeyError
    assert started[0].poll() is not None


def test_the_cache_follows_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME where it is set."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vega, "_BUNDLE", CODE)
    with VegaScript() as script:
        script.text()
    assert [path.parent.name for path in tmp_path.rglob("*.js")] == ["significand"]


@pytest.mark.slow
def test_a_still_picture_is_one_element_with_the_colours_of_the_page() -> None:
    """Colours stay variables, so that the picture follows the theme, and text stays text."""
    spec = {
        "data": {"values": [{"a": 1, "b": "</svg><script>"}]},
        "mark": {"type": "text", "color": "var(--ink)"},
        "encoding": {"x": {"field": "a", "type": "quantitative"}, "text": {"field": "b"}},
    }
    picture = still_picture(spec)
    assert picture.startswith("<svg")
    assert 'fill="var(--ink)"' in picture
    assert "<script" not in picture
