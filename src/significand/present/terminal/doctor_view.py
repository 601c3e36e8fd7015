"""What a terminal shows of the machine's health: a line per check, and the verdict."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from significand.present.rows import visible

if TYPE_CHECKING:
    from significand.doctor.check import Check  # which imports torch

STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def doctor_view(checks: Sequence["Check"]) -> RenderableType:
    """Return the checks as a table with the remedy below what was found, and the verdict in the last line."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found, and → what to do", overflow="fold")
    for check in checks:
        text = Text(visible(check.found))
        if check.remedy:
            text.append(f"\n→ {visible(check.remedy)}", style="dim" if check.level == "ok" else "")
        table.add_row(Text(check.level, style=STYLES[check.level]), Text(visible(check.name)), text)
    return Group(table, Text(), Text(verdict(checks), style="bold"))


def verdict(checks: Sequence["Check"]) -> str:
    """Return in one sentence whether this machine can measure."""
    counts = Counter(check.level for check in checks)
    warnings = f"{counts['warn']} warning{'' if counts['warn'] == 1 else 's'}" if counts["warn"] else "no warnings"
    if counts["bad"]:
        return f"{counts['bad']} bad, {warnings}: mend what is bad before measuring"
    return f"{warnings}, nothing bad: this machine can measure"
