"""What a fleet says, in words: by kind of host, with what the interval is about and where the next host is expected."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from significand.answers.fleet import LEVEL, SAME_SEEDS, UNRESOLVED, FleetAnswer, MetricOnHosts
from significand.plan.metrics import LATENCY, Metric
from significand.present.rows import enumerated, visible
from significand.present.words.factors import above_one, times, written
from significand.present.words.grid import Told

MOST_SETUPS = 6
"""Of which the answer has a sentence each."""

MOST_KINDS = 4
"""That one sentence tells."""

NEARLY = 1.05
"""A ratio nearer to 1 than this or its inverse, of which nothing is shown, is not told kind by kind."""

ABOUT = (
    "Intervals are at 95 %, of one comparison each, and about hosts like these: what the mean over many more of the "
    "kind would be. Of one host it is about that host, in these hours. The next host is where one more of the kind is "
    "expected. Latencies, memories and energies of different machines are never put together."
)

_MARKS = re.compile(r"\((?:R|TM|tm|r)\)|\bCPU\b|\bProcessor\b|\b\d+-Core\b|@.*$")


def short_kind(kind: str) -> str:
    """Return a kind without what makers put into the names of all their processors."""
    return " ".join(visible(_MARKS.sub(" ", kind)).split()) or visible(kind)


def kind_words(answer: FleetAnswer, kind: int) -> str:
    """Say which kind, with the instruction sets that matter: ``"AMD EPYC 9654 with VNNI"``."""
    name = answer.fleet.kinds[kind]
    host = answer.fleet.hosts[int(np.flatnonzero(answer.kind_codes == kind)[0])]
    told = short_kind(name)
    return told if not host.instructions or host.instructions in told else f"{told} with {host.instructions}"


def hosts_words(count: int) -> str:
    """Say how many hosts: ``"one host"``, ``"4 hosts"``."""
    return "one host" if count == 1 else f"{count} hosts"


def factor_words(metric: Metric, point: float, low: float, high: float) -> tuple[str, str]:
    """Say a ratio and its interval, the ratio above 1: ``("1.9x faster", " [1.8, 2.0]")``.

    A difference is said in its unit: ``("0.40 points lower", " [-0.50, -0.30]")``.
    """
    if metric.scale != "ratio":
        size, interval = written(-abs(point), low, high, 0)
        unit = " points" if metric.scale == "points" else ""
        if float(size) == 0:
            return "the same", interval
        return f"{size.lstrip('-')}{unit} {'higher' if point > 0 else 'lower'}", interval
    sense, text, interval = times(point, low, high, terse=_is_narrow(low, high))
    if float(text) == 1:
        return "as fast" if metric is LATENCY else f"the same {metric.noun}", interval
    of_latency = {"lower": "faster", "higher": "slower"}
    return f"{text}x {of_latency[sense] if metric is LATENCY else f'{sense} {metric.noun}'}", interval


def next_host_words(one: MetricOnHosts, kind: int, setup: int) -> str:
    """Say where one more host of the kind is expected, in the sense of `factor_words`; empty where nothing is."""
    low, high = (float(one.shown(one.of_kind(name))[kind, setup]) for name in ("prediction_low", "prediction_high"))
    if one.metric.scale != "ratio" or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    _, _, low, high = above_one(float(one.shown(one.point)[kind, setup]), low, high)
    text, _ = written(math.sqrt(low * high), low, high, 1, terse=_is_narrow(low, high))
    decimals = max(1, len(text.partition(".")[2]))
    first, last = f"{low:.{decimals}f}", f"{high:.{decimals}f}"
    return first if first == last else f"{first} to {last}"


def _is_narrow(low: float, high: float) -> bool:
    """Tell whether an interval is narrow enough for its ends to need a digit less."""
    return high < 3 * low


def clauses(answer: FleetAnswer, one: MetricOnHosts, setup: int) -> Iterator[str]:
    """Say of a setup what each kind shows of a metric, the kinds with most hosts first."""
    kinds = [k for k in range(len(answer.fleet.kinds)) if math.isfinite(one.point[k, setup])]
    values = [one.shown(values)[:, setup].tolist() for values in (one.point, one.point_low, one.point_high)]
    for k in kinds[:MOST_KINDS]:
        told, interval = factor_words(one.metric, *(column[k] for column in values))
        count = int(one.hosts[k, setup])
        where = f"{hosts_words(count)} of {kind_words(answer, k)}"
        parts = [f"{told} on {where}{interval}"]
        if following := next_host_words(one, k, setup):
            parts.append(f"the next host {following}")
        parts += _judgement(one, k, setup)
        yield ", ".join(parts)
    if (left := len(kinds) - MOST_KINDS) > 0:
        yield f"{left} more kinds in host_ratios.csv"


def _judgement(one: MetricOnHosts, kind: int, setup: int) -> Iterator[str]:
    reason = str(one.reasons[kind, setup])
    p_value = one.p_adjusted[kind, setup]
    told = "" if reason == SAME_SEEDS else reason
    if not is_shown(one, kind, setup) and math.isfinite(p_value):
        # The interval is that of one comparison, so it may exclude what all of them together cannot.
        together = f" among {one.tests} comparisons" if one.p_value[kind, setup] <= 1 - LEVEL else ""
        told, because = ("", f": {told}") if told == UNRESOLVED else (told, "")
        yield f"no difference shown{together}{because}"
    if told:
        yield told


def is_shown(one: MetricOnHosts, kind: int, setup: int) -> bool:
    """Tell whether a difference is shown, among all kinds and setups of the family."""
    return bool(one.p_adjusted[kind, setup] <= 1 - LEVEL)


@dataclass(frozen=True)
class SetupAnswer:
    """What a fleet says of one setup: its name, what it is compared with, and a clause per kind of host."""

    setup: str
    baseline: str
    clauses: tuple[str, ...]

    @property
    def sentence(self) -> Told:
        """All in one sentence."""
        first, *others = self.clauses
        return Told(self.setup, f" against {self.baseline}: {'; '.join([first, *others])}.")


def fleet_answers(answer: FleetAnswer) -> list[SetupAnswer]:
    """Return the answer: per setup how much faster it is, by kind of host; the first `MOST_SETUPS` of them."""
    one = answer.ratios.get(LATENCY.name)
    if one is None:
        return []
    name = [visible(setup) for setup in answer.setups]
    made = [
        SetupAnswer(name[k], name[answer.baselines[k]], tuple(_of_setup(answer, one, k)))
        for k in _most_changed(one, answer.compared)[:MOST_SETUPS]
    ]
    return [told for told in made if told.clauses]


def _of_setup(answer: FleetAnswer, one: MetricOnHosts, setup: int) -> Iterator[str]:
    """Say what each kind shows of the latency, or that several kinds show nothing."""
    known = np.isfinite(one.p_adjusted[:, setup])
    points = one.shown(one.point)[known, setup]
    nothing = known.sum() > 1 and not (one.p_adjusted[known, setup] <= 1 - LEVEL).any()
    if nothing and points.min() > 1 / NEARLY and points.max() < NEARLY:
        span = f"{points.min():.3f} to {points.max():.3f}"
        yield f"no difference of {one.metric.noun} shown on any of {points.size} kinds of hosts; the ratios are {span}"
    else:
        yield from clauses(answer, one, setup)


def rest_words(answer: FleetAnswer) -> str:
    """Say of how many setups the answer says nothing; empty where of none."""
    if not fleet_answers(answer):
        return "No setup has a baseline with finished runs on the same host: there is nothing to compare."
    left = len(answer.compared) - MOST_SETUPS
    return f"{left} more setup{'' if left == 1 else 's'} in host_ratios.csv." if left > 0 else ""


def _most_changed(one: MetricOnHosts, compared: Sequence[int]) -> list[int]:
    """Return the setups, of many those first that make most of a difference on some kind."""
    if len(compared) <= MOST_SETUPS:
        return list(compared)
    size = {k: float(np.nanmax(np.abs(one.point[:, k]), initial=0.0)) for k in compared}
    return sorted(compared, key=lambda k: -size[k])


def further_lines(answer: FleetAnswer) -> list[str]:
    """Return what the setups cost and lose besides: a sentence per setup and metric that differs anywhere."""
    lines = []
    for k in answer.compared[:MOST_SETUPS]:
        name = visible(answer.setups[k])
        for one in answer.ratios.values():
            if one.metric is LATENCY or one.metric.told == "never":
                continue
            if one.metric.part and not answer.seeds_once:
                lines.append(f"{name}: {score_words(one, k)}.")
            elif not (one.p_adjusted[:, k] <= 1 - LEVEL).any():
                if one.metric.told == "always" and np.isfinite(one.point[:, k]).any():
                    lines.append(f"{name}: no difference of {one.metric.noun} is shown on any kind of host.")
            else:
                lines.append(f"{name}: {'; '.join(clauses(answer, one, k))}.")
    return lines


def score_words(one: MetricOnHosts, setup: int) -> str:
    """Say what hosts show of a score, from the lowest to the highest; there is no interval over hosts."""
    values = one.mean[:, setup]
    known = values[np.isfinite(values)]
    noun, unit = one.metric.noun, " points" if one.metric.scale == "points" else ""
    if not known.size:
        return f"{noun} not compared"
    low, high = float(known.min()), float(known.max())
    everywhere = {1: "the host", 2: "both hosts"}.get(known.size, f"all {known.size} hosts")
    if f"{low:+z.2f}" == f"{high:+z.2f}":
        return f"{noun} {low:+z.2f}{unit} on {everywhere}"
    return f"{noun} {low:+z.2f} to {high:+z.2f}{unit}, by host"


def spread_words(one: MetricOnHosts, kind: int, setup: int) -> tuple[str, str]:
    """Say how much hosts of a kind differ, and how much of what they show that is: ``("3 % [1, 8]", "85 %")``."""
    tau, low, high = (one.of_kind(name)[kind, setup] for name in ("tau", "tau_low", "tau_high"))
    if not math.isfinite(tau):
        return "", ""
    percents = [100 * math.expm1(min(value, 50.0)) for value in (tau, low, high)]
    decimals = 0 if percents[2] >= 10 else 1
    told, *bounds = (f"{value:.{decimals}f}" for value in percents)
    return f"{told} % [{', '.join(bounds)}]", f"{100 * one.of_kind('i_squared')[kind, setup]:.0f} %"


def fleet_findings(answer: FleetAnswer) -> list[str]:
    """Return what a reader must not miss: what was left out, what differs that should not, what failed."""
    fleet = answer.fleet
    found = []
    if fleet.state not in {"", "finished"}:
        found.append(f"The job is {visible(fleet.state)}: these are its {len(fleet.runs)} runs so far.")
    found += [f"Left out: {visible(problem)}." for problem in fleet.problems]
    found += list(_versions(answer))
    failed = [host.name for host in fleet.hosts if not host.table.finished.all()]
    if failed:
        count = sum(int((~host.table.finished).sum()) for host in fleet.hosts)
        found.append(f"{count} runs failed, on {_some(failed)}; they are in no number.")
    if lost := [block for block in fleet.blocks if block.state in {"lost", "failed"}]:
        hosts = list(dict.fromkeys(block.host for block in lost))
        found.append(f"{len(lost)} blocks were lost or failed, on {_some(hosts)}; they were done again or are missing.")
    if fleet.shared and len(fleet.kinds) > 1:
        found.append(f"Repeats were dealt out among {len(fleet.kinds)} kinds of hosts, which are told apart here.")
    if any(host.machine.get("virtual_machine") is True for host in fleet.hosts):
        found.append("Some hosts are virtual machines: what others do on the same machine cannot be seen.")
    return found


def _versions(answer: FleetAnswer) -> Iterator[str]:
    """Say which versions hosts do not share."""
    by_name: dict[str, dict[str, int]] = {}
    for host in answer.fleet.hosts:
        versions = host.machine.get("versions")
        for name, version in versions.items() if isinstance(versions, dict) else ():
            counts = by_name.setdefault(visible(name), {})
            counts[visible(version)] = counts.get(visible(version), 0) + 1
    for name, counts in by_name.items():
        if len(counts) > 1:
            told = enumerated([f"{version} on {hosts_words(count)}" for version, count in list(counts.items())[:4]])
            yield f"Versions differ: {name} {told}; what that changes is among what hosts differ by."


def _some(names: Sequence[str]) -> str:
    first = [visible(name) for name in names[:3]]
    left = len(names) - len(first)
    return enumerated([*first, *([f"{left} more hosts"] if left else [])])


def title_words(answer: FleetAnswer) -> str:
    """Say what was measured where: ``"16x32x4 on 8 hosts of 3 kinds"``."""
    fleet = answer.fleet
    kinds = len(fleet.kinds)
    of = f" of {kinds} kinds" if kinds > 1 else " of one kind" if len(fleet.hosts) > 1 else ""
    return f"{visible(fleet.experiment.network_name)} on {hosts_words(len(fleet.hosts))}{of}"
