"""Everything that the report says, prepared as plain values; `significand.present.report.page` only sets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from significand.evidence import Evidence
from significand.present.grid import grid_of
from significand.present.report.facts import Facts, caveats, machine_facts, method, warnings, workload_facts
from significand.present.report.reproduce import Reproduction, reproduction
from significand.present.report.setups import Setup, ShownMetric, metrics_of, setups_of
from significand.present.report.table import Table, table_of
from significand.present.rows import enumerated, visible
from significand.present.terminal import findings
from significand.present.words.answer import answer


@dataclass(frozen=True)
class Sentence:
    """A sentence of the answer; where it is about a setup it begins with `name`, and `text` is the rest."""

    text: str
    setup: Setup | None = None
    name: str = ""


@dataclass(frozen=True)
class Contents:
    """What the report says beside its charts.

    Attributes
    ----------
    title, subtitle
        What was measured; where and when.
    answer
        What was gained and lost, how surely, and who is on the frontier.
    findings
        What a reader must not miss.
    """

    title: str
    subtitle: str
    answer: Sequence[Sentence]
    findings: Sequence[str]
    setups: Sequence[Setup]
    metrics: Mapping[str, ShownMetric]
    table: Table
    workload: Facts
    machine: Facts
    method: Sequence[str]
    caveats: Sequence[str]
    reproduction: Reproduction


def contents_of(evidence: Evidence) -> Contents:
    """Prepare what the report says."""
    setups, metrics = setups_of(evidence), metrics_of(evidence.rows)
    return Contents(
        title=_title(evidence),
        subtitle=_subtitle(evidence),
        answer=_answer(evidence, setups),
        findings=[*warnings(evidence), *findings(evidence.rows)],
        setups=setups,
        metrics=metrics,
        table=table_of(evidence, setups, metrics),
        workload=workload_facts(evidence),
        machine=machine_facts(evidence.manifest),
        method=list(method(evidence)),
        caveats=list(caveats(evidence, setups)),
        reproduction=reproduction(evidence),
    )


def _title(evidence: Evidence) -> str:
    fields = evidence.experiment
    count = len(fields.precision_modes)
    network = "-".join(map(str, fields.layer_sizes))
    if grid_of(evidence.rows) is not None:
        return f"{network} on {visible(fields.data)} in {len(evidence.rows)} setups"
    return f"{network} on {visible(fields.data)} in {count} precision{'s' if count != 1 else ''}"


def _subtitle(evidence: Evidence) -> str:
    machine = evidence.manifest.get("machine")
    repeats = len({run.repeat for run in evidence.runs})
    parts = [
        enumerated(evidence.experiment.engine),
        f"{repeats} repeat{'s' if repeats != 1 else ''}",
        visible(machine.get("cpu") or "") if isinstance(machine, dict) else "",
        visible(evidence.manifest.get("started_utc") or "")[:10],
    ]
    return ", ".join(filter(None, parts))


def _answer(evidence: Evidence, setups: Sequence[Setup]) -> list[Sentence]:
    """Return the sentences of the terminal; those about one setup are shown with its mark."""
    told = answer(evidence.claims, evidence.rows, evidence.runs, evidence.precision, evidence.experiment.refused)
    if grid_of(evidence.rows) is not None:
        return [Sentence(one.text, name=one.head) for one in told]
    lines = [str(one) for one in told]
    by_mode = {setup.mode: setup for setup in setups}
    compared = list(dict.fromkeys(one.setup for one in evidence.claims.comparisons))
    sentences = [] if compared else [Sentence("A single precision was measured: there is nothing to compare it with.")]
    for line, mode in zip(lines, [*compared, *[""] * len(lines)], strict=False):
        setup = by_mode.get(mode)
        name = setup.name if setup and line.startswith(setup.name) else ""
        sentences.append(Sentence(line.removeprefix(name), setup, name))
    return sentences
