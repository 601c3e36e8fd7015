"""How far an experiment on several machines is, as a table and the lines below it."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from rich.table import Table

from significand.plan.paths import shell_word
from significand.present.rows import visible
from significand.results.fleet_state import BlockEntry, FleetState, counted_by_host, seconds_between, utc

MOST_HOSTS = 40
"""Machines that have a line each; of more, those that have most left to say come first."""

MOST_LOSSES = 20
"""Lost blocks that are told one by one."""

BY_HAND = ("hand", "merge")
"""Places of which people bring the blocks."""


def status_table(state: FleetState) -> Table:
    """Return the blocks of each machine: finished, running, lost, failed, and what it does now."""
    table = Table(box=None, pad_edge=False)
    table.add_column("host", no_wrap=True)
    for column in ("finished", "running", "lost", "failed"):
        table.add_column(column, justify="right")
    table.add_column("now")
    counts = counted_by_host(state.blocks)
    running = {block.host: block for block in state.blocks if block.state in {"running", "waiting"}}
    names = sorted(
        dict.fromkeys([*(one.name for one in state.machines), *counts]), key=lambda name: name not in running
    )
    for name in names[:MOST_HOSTS]:
        count = counts.get(name, Counter())
        numbers = [str(count.get(state, 0)) for state in ("finished", "running", "lost", "failed")]
        table.add_row(visible(name) or "(any)", *numbers, _now(running.get(name)))
    if len(names) > MOST_HOSTS:
        table.add_row(f"and {len(names) - MOST_HOSTS} more", "", "", "", "", "fleet.json has them all")
    return table


def status_lines(state: FleetState, folder: Path, *, is_alive: bool) -> Iterator[str]:
    """Say how the whole stands, what was lost and why, and how to go on.

    Parameters
    ----------
    state
        What fleet.json says.
    folder
        Where it is.
    is_alive
        Whether the program that gives the blocks out still runs.
    """
    for machine in state.machines:
        if machine.note:
            yield visible(f"{machine.name}: {machine.note}")
    losses = [block for block in state.blocks if block.state in {"lost", "failed"}]
    for block in losses[-MOST_LOSSES:]:
        yield visible(f"repeat {block.repeat} on {block.host}, attempt {block.attempt}: {block.state}: {block.reason}")
    finished = (block for block in state.blocks if block.state == "finished")
    done = len({("" if state.hosts == "share" else block.host, block.repeat) for block in finished})
    yield visible(
        f"{done} block{'' if done == 1 else 's'} finished; {state.hosts} on {state.place}, as of {state.updated_utc}"
    )
    go_on = f"go on with: significand run --resume --output-dir={shell_word(folder)}"
    if state.state != "finished" and state.place in BY_HAND:
        yield f"not all repeats are there; add more with: significand merge {shell_word(folder)} FOLDER"
    elif state.state == "running" and not is_alive:
        yield f"the program that gives the blocks out does not run here any more; {go_on}"
    elif state.state in {"interrupted", "failed"}:
        yield f"{state.state}; {go_on}"
    else:
        yield state.state


def _now(block: BlockEntry | None) -> str:
    if block is None:
        return ""
    since = _ago(block.started_utc or block.submitted_utc)
    return f"repeat {block.repeat}{' waits' if block.state == 'waiting' else ''}, for {since}"


def _ago(text: str) -> str:
    try:
        elapsed_s = seconds_between(text, utc())
    except (ValueError, TypeError):
        return "?"
    return str(timedelta(seconds=max(0, round(elapsed_s))))
