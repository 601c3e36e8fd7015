"""The report of an experiment: a page that needs nothing but a browser, and its core for notebooks.

What the page is made with (altair, vl-convert, Jinja, Matplotlib's ticks) takes long to import, and is imported when a
report is asked for.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from significand.plan.paths import shell_word
from significand.results.store import REPORT, replacing

if TYPE_CHECKING:
    from significand.answers.fleet import FleetAnswer
    from significand.answers.folder import Folder


def report_html(results: "Folder") -> str:
    """Return the report as one self-contained HTML page: it asks no network for anything and works from a file.

    Parameters
    ----------
    results
        As from `significand.answers.folder.read_folder`.

    Returns
    -------
    str
        Less than 3 MB of UTF-8, of a grid less than 4 MB. Single times that cannot be read are named in it and cost
        nothing else.
    """
    from significand.present.page.layout import page  # noqa: PLC0415 - see above

    return page(results)


def core_html(results: "Folder") -> str:
    """Return the report's core for a notebook: the answer, the frontier as a still picture, the table; no script.

    Parameters
    ----------
    results
        As for `report_html`.

    Returns
    -------
    str
        One ``<div>`` with a style of its own that touches nothing else on the page.
    """
    from significand.present.page.layout import core  # noqa: PLC0415 - see above

    return core(results)


def fleet_core_html(answer: "FleetAnswer") -> str:
    """Return a fleet's answer for a notebook: its sentences and what hosts of each kind show; no script.

    Parameters
    ----------
    answer
        As for `write_fleet_report`.
    """
    from significand.present.page.fleet_page import fleet_core  # noqa: PLC0415 - see above

    return fleet_core(answer)


LAYOUT = "significand.present.page.layout"
"""The module that makes it, and that takes long to import with all that it needs."""


class ReportError(RuntimeError):
    """A report that could not be made, why, and what to do. Nothing else is lost with it."""


def import_parts() -> None:
    """Import what a report is made with, ahead of the time; what is missing is told when the report is made."""
    try:
        import_module(LAYOUT).get_ready()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001, S110 - nor does what is broken, or panics, cost a measurement
        pass


def write_report(results: "Folder", meanwhile: Callable[[], object] = lambda: None) -> Path:
    """Write report.html into the folder that the results are from, over the one that is there.

    Parameters
    ----------
    results
        As for `report_html`.
    meanwhile
        Called when the page is made and not written yet: it ends what other files wait for, so that the report is the
        last.

    Returns
    -------
    pathlib.Path
        Where it is.

    Raises
    ------
    ReportError
        When it cannot be made or written, whatever the cause; an older one is left as it is.
    """
    path = results.path / REPORT
    try:
        with _telling(results.path):
            page = report_html(results)
    finally:
        meanwhile()
    with _telling(results.path), replacing(path, "w") as file:
        file.write(page)
    return path


def write_fleet_report(answer: "FleetAnswer") -> Path:
    """Write report.html into a fleet's folder, over the one that is there.

    Parameters
    ----------
    answer
        As from `significand.answers.fleet.read_answer`.

    Returns
    -------
    pathlib.Path
        Where it is.

    Raises
    ------
    ReportError
        When it cannot be made or written, whatever the cause; an older one is left as it is.
    """
    with _telling(answer.path):
        from significand.present.page.fleet_page import fleet_page  # noqa: PLC0415 - see above

        page = fleet_page(answer)
        with replacing(answer.path / REPORT, "w") as file:
            file.write(page)
    return answer.path / REPORT


@contextlib.contextmanager
def _telling(folder: Path) -> Iterator[None]:
    """Say of any error what it means and what to do."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the compiled code below the charts is no Exception
        raise ReportError(_told(error, folder)) from error


def _told(error: BaseException, folder: Path) -> str:
    """Say what is missing, why, and the remedy."""
    command = f"`significand report {shell_word(folder)}`"
    if isinstance(error, ImportError):
        cause, remedy = str(error), f"install significand again with all that it needs, then give {command}"
    elif isinstance(error, OSError):
        cause = f"{error.strerror or error} in {str(folder)!r}"
        mended = (
            "make room" if error.errno == errno.ENOSPC else "make the folder writable, or copy it to where you write"
        )
        remedy = f"{mended}, then give {command}"
    else:
        cause, remedy = f"{type(error).__name__}: {error}", f"try {command}; if that fails, significand is at fault"
    return f"{REPORT} could not be made ({cause}); no result is lost: {remedy}"
