"""Everything that the report says, prepared as plain values; `significand.present.page.layout` only sets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from significand.answers.folder import Folder
from significand.plan.indifference import zones_of
from significand.plan.metrics import SCORES
from significand.present.page.provenance import Facts, caveats, machine_facts, method, warnings, workload_facts
from significand.present.page.reproduce import Reproduction, reproduction
from significand.present.page.setup_table import Table, table_of
from significand.present.page.setups import ShownMetric, ShownSetup, metrics_of, setups_of
from significand.present.rows import enumerated, mapping, visible
from significand.present.varying import grid_of
from significand.present.words.answer import answer
from significand.present.words.decision import decision_details, decision_told
from significand.present.words.findings import findings
from significand.present.words.network import MADE_UP


@dataclass(frozen=True)
class Sentence:
    """A sentence of the answer; where it is about a setup it begins with `name`, and `text` is the rest."""

    text: str
    setup: ShownSetup | None = None
    name: str = ""


@dataclass(frozen=True)
class ShownDecision:
    """Which setup to ship: the sentence, its beginning apart; what was asked, and how each setup stands."""

    head: str
    text: str
    asked: str
    details: Sequence[str]


@dataclass(frozen=True)
class Contents:
    """What the report says beside its charts.

    Attributes
    ----------
    title, subtitle
        What was measured; where and when.
    decision
        Which setup to ship.
    answer
        What was gained and lost, how surely, and who is on the frontier.
    findings
        What a reader must not miss.
    """

    title: str
    subtitle: str
    decision: ShownDecision
    answer: Sequence[Sentence]
    findings: Sequence[str]
    setups: Sequence[ShownSetup]
    metrics: Mapping[str, ShownMetric]
    table: Table
    workload: Facts
    machine: Facts
    method: Sequence[str]
    caveats: Sequence[str]
    reproduction: Reproduction


def contents_of(results: Folder) -> Contents:
    """Prepare what the report says."""
    zones = zones_of(results.experiment.indifferent, points=SCORES[results.score].scale == "points")
    setups, metrics = setups_of(results), metrics_of(results.rows, zones)
    return Contents(
        title=_title(results),
        subtitle=_subtitle(results),
        decision=_decision(results),
        answer=_answer(results, setups),
        findings=[*warnings(results), *findings(results.rows)],
        setups=setups,
        metrics=metrics,
        table=table_of(results, setups, metrics),
        workload=workload_facts(results),
        machine=machine_facts(results.manifest),
        method=list(method(results)),
        caveats=list(caveats(results, setups)),
        reproduction=reproduction(results),
    )


def _title(results: Folder) -> str:
    fields = results.experiment
    count = len(fields.precision_modes)
    network = visible(fields.network_name) + (f" on {visible(fields.data)}" if fields.data else "")
    if grid_of(results.rows) is not None:
        return f"{network} in {len(results.rows)} setups"
    return f"{network} in {count} precision{'s' if count != 1 else ''}"


def _subtitle(results: Folder) -> str:
    repeats = len(set(results.runs.counts("repeat").tolist()))
    parts = [
        enumerated(results.experiment.engines()),
        f"{repeats} repeat{'s' if repeats != 1 else ''}",
        visible(mapping(results.manifest.get("machine")).get("cpu") or ""),
        visible(results.manifest.get("started_utc") or "")[:10],
        MADE_UP if results.made_up else "",
    ]
    return ", ".join(filter(None, parts))


def _decision(results: Folder) -> ShownDecision:
    told = decision_told(results.decision)
    asked, *details = decision_details(results.decision) or [""]
    return ShownDecision(told.head, told.text, asked, details)


def _answer(results: Folder, setups: Sequence[ShownSetup]) -> list[Sentence]:
    """Return the sentences of the terminal; those about one setup are shown with its mark."""
    told = answer(results)
    if grid_of(results.rows) is not None:
        return [Sentence(one.text, name=one.head) for one in told]
    lines = [str(one) for one in told]
    by_mode = {setup.mode: setup for setup in setups}
    compared = list(dict.fromkeys(one.setup for one in results.claims.comparisons))
    sentences = [] if compared else [Sentence("A single precision was measured: there is nothing to compare it with.")]
    for line, mode in zip(lines, [*compared, *[""] * len(lines)], strict=False):
        setup = by_mode.get(mode)
        name = setup.name if setup and line.startswith(setup.name) else ""
        sentences.append(Sentence(line.removeprefix(name), setup, name))
    return sentences
