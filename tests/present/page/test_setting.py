"""Behaviour of what pages are set with: the cache of compiled templates."""

from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from significand.present.page.setting import CompiledTemplates


def set_with(cache: CompiledTemplates, text: str = "<p>{{ word }}</p>") -> str:
    """Return a page of a template, in an environment that knows the cache and nothing else."""
    environment = Environment(loader=DictLoader({"page": text}), bytecode_cache=cache, autoescape=True)
    return environment.get_template("page").render(word="<b>")


def test_a_template_is_compiled_once(tmp_path: Path) -> None:
    """The second environment takes what the first has kept, and the page is the same; another text is compiled anew."""
    cache = CompiledTemplates(tmp_path / "cache")
    assert set_with(cache) == "<p>&lt;b&gt;</p>"
    (kept,) = (tmp_path / "cache").iterdir()
    before = kept.stat()
    assert set_with(cache) == "<p>&lt;b&gt;</p>"
    after = kept.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert set_with(cache, "<i>{{ word }}</i>") == "<i>&lt;b&gt;</i>"


@pytest.mark.parametrize("broken", [b"", b"no code", b"j2"])
def test_a_broken_cache_costs_nothing_else(tmp_path: Path, broken: bytes) -> None:
    """Where the kept file is cut or of something else, the template is compiled."""
    cache = CompiledTemplates(tmp_path)
    set_with(cache)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(broken)
    assert set_with(cache) == "<p>&lt;b&gt;</p>"


def test_without_a_folder_for_the_cache_pages_are_the_same(tmp_path: Path) -> None:
    """No cache folder, or one that cannot be made, changes nothing."""
    (tmp_path / "file").touch()
    assert set_with(CompiledTemplates(None)) == set_with(CompiledTemplates(tmp_path / "file" / "cache"))
