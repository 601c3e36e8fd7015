"""What pages are set with: templates, scripts and styles, and what makes it safe to put them into one file."""

import base64
import contextlib
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from significand.present.cache import cache_folder
from significand.present.rows import visible
from significand.results.store import replacing


def as_json(value: object) -> str:
    """Return JSON that can stand in a script element, whatever its texts are."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def script(text: str) -> Markup:
    """Return a script that can stand in a page; its text must not end the element."""
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))  # noqa: S704 - our own and Vega's


def policy(scripts: Sequence[str]) -> str:
    """Return the page's content security policy: these scripts and nothing else, and nothing from any network.

    Vega interprets its expressions (``ast``), so that no text ever becomes code.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


@cache
def resource(name: str) -> str:
    """Return one of the page's own scripts or style sheets."""
    return (files("significand.present.page") / name).read_text(encoding="utf-8")


class CompiledTemplates(BytecodeCache):
    """What templates compile to, which takes a quarter of a second, in a cache of the user's.

    Jinja looks whether what is there is of the same text and the same Python.

    Parameters
    ----------
    folder
        Of the cache; one that cannot be read or written costs time and nothing else. None for none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket with what is kept of its template."""
        with contextlib.suppress(OSError):
            if self._folder is not None:
                with self._path(self._folder, bucket).open("rb") as file:
                    bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what is in the bucket."""
        with contextlib.suppress(OSError):
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                with replacing(self._path(self._folder, bucket), "wb") as file:
                    bucket.write_bytecode(file)

    def _path(self, folder: Path, bucket: Bucket) -> Path:
        return folder / f"jinja-{metadata.version('jinja2')}-{bucket.key}"


@cache
def template(name: str) -> Any:  # noqa: ANN401 - jinja2.Template, whose render takes anything
    """Return a template; all text in it is escaped."""
    environment = Environment(
        loader=PackageLoader("significand.present", "page"),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        bytecode_cache=CompiledTemplates(cache_folder()),
    )
    return environment.get_template(name)


def _shown(value: object) -> object:
    """Make control characters visible in whatever the template sets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
