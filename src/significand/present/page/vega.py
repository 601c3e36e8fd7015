"""What draws the charts: Vega as one script for the page, and a still picture where no script may run."""

import contextlib
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from significand.present.cache import cache_folder
from significand.results.store import replacing
from significand.runner.interpreter import environment, python

# In a process of its own: bundling takes over a second and a JavaScript engine with its threads, and holds the GIL.
_BUNDLE = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"


class VegaScript:
    """The script that defines ``vegaEmbed``, made in the background where it is not in the cache yet.

    Use it as a context: on leaving, nothing is left running.

    Parameters
    ----------
    cache
        Folder of the cache; one that cannot be written costs time and nothing else.
    """

    def __init__(self, cache: Path | None = None) -> None:
        folder = cache or cache_folder()
        self._path = folder / f"vega-{metadata.version('vl-convert-python')}.js" if folder else None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not (self._path and self._path.is_file()):
            self._process = subprocess.Popen(
                python(_BUNDLE),
                cwd="/",  # the user's may be removed
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()
            with self._process:  # closes its pipe and waits for its end
                pass

    def text(self) -> str:
        """Return the script.

        Raises
        ------
        OSError, RuntimeError
            When it could not be read, or not be made.
        """
        if self._process is None:
            assert self._path is not None  # noqa: S101  # narrows the type; without one a process makes the script
            return self._path.read_text(encoding="utf-8")
        made, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(
                f"the script of the charts could not be made: vl-convert ended with {self._process.returncode}; "
                "install vl-convert-python anew"
            )
        self._process = None
        text = made.decode("utf-8")
        if self._path is None:
            return text
        with contextlib.suppress(OSError):  # the next page makes it again
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path, "w") as file:
                file.write(text)
        return text


def still_picture(spec: Mapping[str, Any]) -> str:
    """Return a Vega-Lite specification as an ``<svg>`` element."""
    import vl_convert  # noqa: PLC0415 - a JavaScript engine, which most pages do without

    return vl_convert.vegalite_to_svg(dict(spec))
