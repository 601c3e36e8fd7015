"""What a terminal shows of the self-test: how known differences were judged, and whether to trust verdicts."""

import math
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from significand.present.rows import visible
from significand.present.words.numbers import with_bounds

if TYPE_CHECKING:
    from significand.doctor.selftest import Answer, Rate, SelfTest  # a layer above

STYLES = {
    "trust": "bold green",
    "trust so far": "yellow",  # so few experiments with no false alarm exclude little
    "trust with more repeats": "bold yellow",
    "cannot say": "bold yellow",
}
OTHERWISE = "bold red"


def selftest_view(result: "SelfTest") -> RenderableType:
    """Return how each known difference was judged as a table, what the machine can show below it, the verdict last."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("against itself", no_wrap=True)
    for heading in ("found", "rate [95 %]", "latency × [95 %]"):
        table.add_column(heading, justify="right", no_wrap=True)
    for answer in result.answers:
        table.add_row(_what(answer), f"{answer.found.hits} of {answer.found.n}", _rate(answer.found), _ratio(answer))
    lines = [Text(line) for line in facts(result)]
    last = [Text(visible(line), style=STYLES.get(result.verdict, OTHERWISE)) for line in verdict(result)]
    return Group(table, Text(), *lines, Text(), *last)


def facts(result: "SelfTest") -> list[str]:
    """Return in sentences what was done, and what the machine can show; nothing that is not known."""
    ended = ", interrupted" if result.interrupted else ""
    threads = f" on {result.threads} thread{'' if result.threads == 1 else 's'}" if result.threads else ""
    experiments = f"{result.experiments} experiment{'' if result.experiments == 1 else 's'}"
    lines = [
        "[95 %]: exact binomial interval of the rate, t interval of the ratio over all repeats",
        f"{experiments} of {result.repeats} repeats{threads} in {result.duration_s:.0f} s{ended}",
    ]
    if math.isfinite(result.pair_std):
        lines.append(f"two equal runs of one repeat differ by {_percent(result.pair_std)} (standard deviation)")
        told = ", ".join(f"{_percent(share)} with {n}" for n, share in result.detectable.items())
        lines.append(f"smallest difference that a single comparison shows with 80 % power: {told} repeats")
    if result.steps:
        lines.append(
            f"noise: {result.disturbed_steps} of {result.steps} steps stayed disturbed by others, "
            f"{result.remeasured_steps} were measured again"
        )
    if result.failed:
        lines.append(f"{result.failed} runs failed")
    return lines


def verdict(result: "SelfTest") -> list[str]:
    """Return in a line whether to trust verdicts on this machine and why, and in another what to do."""
    return [f"{result.verdict}: {result.reason}", *([f"→ {result.remedy}"] if result.remedy else [])]


def _what(answer: "Answer") -> str:
    return f"made {_percent(answer.injected)} slower" if answer.injected else "the same again"


def _rate(rate: "Rate") -> str:
    if not rate.n:
        return "–"
    return f"{100 * rate.point:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def _ratio(answer: "Answer") -> str:
    ratio = answer.ratio
    if not math.isfinite(ratio.point):
        return "–"
    shown, interval = with_bounds(ratio.point, ratio.low, ratio.high)
    return f"{shown} [{interval}]" if interval else shown


def _percent(share: float) -> str:
    return f"{100 * share:.{2 if share < 0.1 else 3}g} %"
