"""Write the files of a fleet's folder: tables of all hosts, the forest plot and the page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from significand.answers.fleet import FleetAnswer, read_answer
from significand.answers.fleet_tables import hosts_frame, ratios_frame, runs_frame, summary_frame
from significand.present.page import ReportError, write_fleet_report
from significand.present.plots.write import PlotError, one_artist, save_forest_plot
from significand.results.store import (
    HOST_RATIOS_CSV,
    HOST_RATIOS_JSON,
    HOSTS_CSV,
    RAW_RUNS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    replacing,
)


@dataclass(frozen=True, eq=False)
class WrittenFleet:
    """What was written, what a fleet says, and what could not be drawn.

    Attributes
    ----------
    answer
        What it says.
    files
        Where they are.
    missing
        What could not be made and why, a line each; no number is lost with it.
    """

    answer: FleetAnswer
    files: tuple[Path, ...]
    missing: tuple[str, ...]


def write_fleet(folder: Path) -> WrittenFleet:
    """Work out what the hosts' folders say, and write the fleet's own files over those that are there.

    The tables come first, so that neither a picture nor the page can cost a number.

    Parameters
    ----------
    folder
        With ``fleet.json`` and ``hosts``; whoever writes these may still be adding to them.

    Raises
    ------
    significand.results.comparable.ResultsError
        Where it is no fleet's folder, or no host has runs.
    OSError
        Where a table cannot be written.
    """
    with one_artist():  # it starts while the hosts are read
        answer = read_answer(folder)
        files = [*_tables(answer)]
        missing = []
        steps: tuple[Callable[[], list[Path]], ...] = (
            lambda: save_forest_plot(answer, folder),
            lambda: [write_fleet_report(answer)],
        )
        for step in steps:
            try:
                files += step()
            except (PlotError, ReportError, OSError) as error:
                missing.append(str(error))
    return WrittenFleet(answer, tuple(files), tuple(missing))


def _tables(answer: FleetAnswer) -> list[Path]:
    path = answer.path
    written = [write_frame(hosts_frame(answer), path / HOSTS_CSV)]
    for made, names in (
        (ratios_frame, (HOST_RATIOS_CSV, HOST_RATIOS_JSON)),
        (summary_frame, (SUMMARY_CSV, SUMMARY_JSON)),
    ):
        frame = made(answer)
        written += [write_frame(frame, path / name) for name in names]
    return [*written, write_frame(runs_frame(answer), path / RAW_RUNS)]


def write_frame(frame: pl.DataFrame, path: Path) -> Path:
    """Write a frame as CSV or JSON, as the name ends: whole or not at all, in full precision, missing is missing."""
    with replacing(path, "wb") as file:
        if path.suffix == ".json":
            file.write(frame.write_json().encode())
        else:
            frame.write_csv(file)
    return path
