"""The report of an experiment: a page that needs nothing but a browser, and its core for notebooks.

What the page is made with (altair, vl-convert, Jinja, Matplotlib's ticks) takes long to import, and is imported when a
report is asked for.
"""

from significand.folder import Folder


def report_html(results: Folder) -> str:
    """Return the report as one self-contained HTML page: it asks no network for anything and works from a file.

    Parameters
    ----------
    results
        As from `significand.folder.read_folder`.

    Returns
    -------
    str
        Less than 3 MB of UTF-8, of a grid less than 4 MB. Single times that cannot be read are named in it and cost
        nothing else.
    """
    from significand.present.report.page import page  # noqa: PLC0415 - see above

    return page(results)


def core_html(results: Folder) -> str:
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
    from significand.present.report.page import core  # noqa: PLC0415 - see above

    return core(results)
