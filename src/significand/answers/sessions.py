"""Other sessions that measured the very same as the two that are compared: what archives beside them hold."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from significand.analysis.moments import Floats
from significand.analysis.sessions import FEWEST_DF, Between, between
from significand.answers.folder import Folder, read_folder, told_alike
from significand.plan.metrics import METRICS
from significand.results.comparable import ResultsError, differences
from significand.results.store import HISTORY, MANIFEST

MOST_READ = 60
"""Sessions that are read, the newest: more know hardly more."""


def archived_folders(folder: Path) -> Iterator[Path]:
    """Return the results of an archive, whatever they are, and last the folder itself."""
    try:
        # An archive that is not complete has a name that begins with a dot.
        archived = [one for one in sorted((folder / HISTORY).iterdir()) if one.is_dir() and one.name[0] != "."]
    except OSError:
        archived = []
    yield from archived
    if os.path.lexists(folder / MANIFEST):
        yield folder


def pools_beside(sides: Sequence[Folder], modes: Sequence[str], columns: Collection[str]) -> list[list[Folder]]:
    """Return the sessions that measured the very same as either side, a pool for each; the sides are in none.

    Parameters
    ----------
    sides
        The two results.
    modes, columns
        Of whose runs the facts count, as for `Folder.facts_with_runs`.
    """
    facts = [side.facts_with_runs(modes, columns) for side in sides]
    pools: list[list[Folder]] = [[] for _ in sides]
    for session in _others(sides):
        named = told_alike([*sides, session])[-1]
        own = named.facts_with_runs(modes, columns)
        place = next((k for k, of_side in enumerate(facts) if not differences(own, of_side)[0]), None)
        if place is not None:
            pools[place].append(named)
    return pools


def by_revision(pools: Sequence[Sequence[Folder]]) -> tuple[list[list[Folder]], bool]:
    """Return pools of one revision of the working directory each, and False; or where these are too small, the same.

    What changed from one revision to the next is no scatter of sessions. But where each revision was measured once
    only, that scatter is all there is to know, and more than enough: then True says that it holds changes, too.
    """
    of_each: dict[tuple[int, object], list[Folder]] = {}
    for place, pool in enumerate(pools):
        for session in pool:
            of_each.setdefault((place, _revision(session)), []).append(session)
    separate = list(of_each.values())
    if sum(len(pool) - 1 for pool in separate) >= FEWEST_DF:
        return separate, False
    return [list(pool) for pool in pools], len(separate) > sum(map(bool, pools))


def _revision(session: Folder) -> object:
    found = session.manifest.get("git_revision")
    return found.get("commit") if isinstance(found, dict) else None


def spread_of(pools: Sequence[Sequence[Folder]], modes: Sequence[str], metric: str) -> Between:
    """Return how much sessions scatter in a cost, by mode."""
    column = METRICS[metric].column
    found = [between([[_logs(session, mode, column) for session in pool] for pool in pools]) for mode in modes]
    variance, within, df = (np.array(part) for part in zip(*found, strict=True))
    return Between(variance, within, df)


def _logs(session: Folder, mode: str, column: str) -> Floats:
    if column not in session.runs.columns:
        return np.empty(0)
    values = session.runs.numbers(column)[session.finished(mode)]
    logs: Floats = np.log(values[values > 0])
    return logs


def _others(sides: Sequence[Folder]) -> Iterator[Folder]:
    """Read what is archived beside the two; what cannot be read is left out."""
    own = {(side.path.resolve(), side.started_utc) for side in sides}
    paths, starts = {path for path, _ in own}, {start for _, start in own if start}
    roots = dict.fromkeys(_root(side.path.resolve()) for side in sides)
    places = dict.fromkeys(one.resolve() for root in roots for one in archived_folders(root))
    for place in sorted(places, reverse=True)[:MOST_READ]:
        if place in paths:
            continue
        try:
            session = read_folder(place, empty=True)
        except ResultsError:
            continue
        if session.started_utc not in starts and session.complete and session.runs.finished.any():
            starts.add(session.started_utc)
            yield session


def _root(path: Path) -> Path:
    """Return the folder whose archive a result is in, or it itself."""
    return path.parent.parent if path.parent.name == HISTORY else path
