"""The table of the report: per mode what was asked for and what ran, every mean with its interval, every verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from significand.analysis.comparison import ESTIMATED_ENERGY, Comparison
from significand.answers.folder import Folder
from significand.plan.metrics import SCORES
from significand.plan.precision import MODES
from significand.present.page.setups import ShownMetric, ShownSetup, chances, mean_of
from significand.present.rows import formats, number, other_format, visible
from significand.present.rows import sequential as is_sequential
from significand.present.varying import grid_of
from significand.present.words.grid import baseline_words
from significand.present.words.numbers import probability, with_bounds, with_half_width
from significand.present.words.places import TITLES
from significand.present.words.population import THESE_MINUTES
from significand.present.words.sentences import HOPELESS, is_hopeless
from significand.results.records import told_method

SYMBOLS = {"better": "✓", "worse": "✗", "equivalent": "≈", "no difference shown": "○", "not tested": "–"}
"""Of the verdicts, so that none is told by its colour alone."""

MOST_REASONS = 3
"""Of a mode's failed runs, that the table tells."""


@dataclass(frozen=True)
class Verdict:
    """A verdict in a word with its symbol, and what must be known beside it."""

    word: str
    symbol: str
    note: str


@dataclass(frozen=True)
class MetricCell:
    """One metric of one mode: mean with interval, the change against the baseline, the verdict.

    Attributes
    ----------
    text
        The mean and its half-width, in the column's unit.
    sort
        The mean in full precision; NaN where there is none.
    change
        Ratio or difference with its interval, in lines; empty for the baseline.
    """

    text: str
    sort: float
    change: tuple[str, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    """One mode.

    Attributes
    ----------
    name
        Its precision where columns tell the rest, else all of its name.
    place
        Its values on the axes that vary beside the precision; none where nothing else does.
    begins
        Whether it is the first of its group.
    requested, effective, trained
        Formats: asked for in inference, computed in, and trained in. Empty where not known.
    differs
        Why something else ran than was asked for; empty where nothing else did.
    runs
        Finished of all.
    reasons
        Why runs failed, each reason once.
    on_frontier, chance
        Probability of being on the frontier, as a text and as a number.
    """

    setup: ShownSetup
    name: str
    place: tuple[str, ...]
    begins: bool
    is_baseline: bool
    requested: str
    effective: str
    trained: str
    differs: str
    finished: int
    failed: int
    reasons: tuple[str, ...]
    on_frontier: str
    chance: float
    cells: tuple[MetricCell, ...]


@dataclass(frozen=True)
class Table:
    """Columns and rows, what must be known to read them, and the headings of the columns for what varies."""

    metrics: tuple[ShownMetric, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    axes: tuple[str, ...] = ()


def table_of(results: Folder, setups: Sequence[ShownSetup], metrics: Mapping[str, ShownMetric]) -> Table:
    """Prepare the table."""
    compared = {(one.setup, one.metric): one for one in results.claims.comparisons}
    likely = chances(results)
    baselines = {one.baseline for one in results.claims.comparisons}
    grid = grid_of(results.rows)
    order = [(k, not n) for group in grid.groups() for n, k in enumerate(group.members)] if grid else None
    placed = order or [(setup.index, False) for setup in setups]
    rows = tuple(
        Row(
            setup=setup,
            name=visible(setup.precision) if grid else setup.name,
            place=tuple(grid.places[setup.index][axis] for axis in grid.further) if grid else (),
            begins=begins,
            is_baseline=setup.mode in baselines,
            requested=visible(MODES[setup.precision].infers_in if setup.precision in MODES else setup.precision),
            effective=visible(formats(setup.row)),
            trained=visible(setup.row.get("training_precision") or ""),
            differs=_differs(setup),
            finished=len(setup.runs),
            failed=results.failed(setup.mode),
            reasons=_reasons(results, setup.mode),
            on_frontier=probability(likely.get(setup.mode, math.nan)),
            chance=likely.get(setup.mode, math.nan),
            cells=tuple(_cell(setup, metric, compared.get((setup.mode, name))) for name, metric in metrics.items()),
        )
        for setup, begins in ((setups[k], begins) for k, begins in placed)
    )
    axes = tuple(TITLES[axis].capitalize() for axis in grid.further) if grid else ()
    return Table(tuple(metrics.values()), rows, tuple(_notes(results, rows, metrics)), axes)


def _differs(setup: ShownSetup) -> str:
    if not other_format(setup.row):
        return ""
    return visible(setup.row.get("precision_note") or "the engine computed in another format")


def _reasons(results: Folder, mode: str) -> tuple[str, ...]:
    code = results.runs.setups.index(mode)
    every = results.runs.rows_of(code, finished=False)
    failed = every[~results.runs.finished[every]]
    given = results.runs.texts("reason")[failed].unique(maintain_order=True).to_list()
    reasons = list(dict.fromkeys(visible(reason) or "no reason was kept" for reason in given))
    more = f"and {len(reasons) - MOST_REASONS} other reasons; see raw_runs.csv"
    return tuple(reasons if len(reasons) <= MOST_REASONS else [*reasons[:MOST_REASONS], more])


def _cell(setup: ShownSetup, metric: ShownMetric, comparison: Comparison | None) -> MetricCell:
    mean = mean_of(setup.row, metric)
    sort = number(setup.row, f"{metric.name}_mean")
    if not math.isfinite(sort):
        return MetricCell(mean.text, sort)
    if comparison is not None:
        return MetricCell(mean.text, sort, change(comparison), _verdict(comparison))
    return MetricCell(mean.text, sort)


def change(comparison: Comparison) -> tuple[str, ...]:
    """Write a ratio or a difference with the interval of this comparison alone, in two lines.

    ``("×0.344", "[0.278–0.427]")``, or ``("+0.05±0.11", "points")``.
    """
    point, low, high = comparison.estimate.point, comparison.estimate.low, comparison.estimate.high
    if math.isnan(point):
        return ()
    known = math.isfinite(low) and math.isfinite(high) and low != high
    if comparison.scale != "ratio":
        told = with_half_width(point, (high - low) / 2 if known else math.nan)
        return f"{'+' if point > 0 else ''}{told}", *(["points"] if comparison.scale == "points" else [])
    if not known:
        return (f"×{point:.4g}",)
    shown, interval = with_bounds(point, low, high)
    return f"×{shown}", f"[{interval}]"


def _verdict(comparison: Comparison) -> Verdict:
    # The notes below the table say it once for all modes.
    note = "" if comparison.reason == ESTIMATED_ENERGY else comparison.reason
    detectable = comparison.smallest_detectable
    if comparison.verdict == "no difference shown" and not note and math.isfinite(detectable):
        told = f"×{detectable:.3g}" if comparison.scale == "ratio" else f"{detectable:.2g}"
        note = HOPELESS if is_hopeless(comparison) else f"detectable: {told}"
    return Verdict(comparison.verdict, SYMBOLS[comparison.verdict], note)


def _notes(results: Folder, rows: Sequence[Row], metrics: Mapping[str, ShownMetric]) -> Iterator[str]:
    counts = {row.finished for row in rows}
    if max(counts, default=0) >= 2:
        sequential = any(map(is_sequential, results.rows))
        kind = told_method("t", sequential=sequential)
        yield (
            f"±: half-width of the 95 % {kind} interval of the mean over the runs, of {THESE_MINUTES}: later it may be "
            "another. Ratios hold for longer, and come first."
        )
    if 1 in counts:
        yield "No ±: a single run has no interval."
    primary = results.claims.primary
    if primary:
        first, score, grid = primary[0], SCORES[results.score], grid_of(results.rows)
        against = f"{baseline_words(grid)} with all else equal" if grid else first.baseline
        error_rate = f"{100 * (1 - first.level):.3g} %"
        yield (
            f"× and {score.scale}{'' if score.scale == 'points' else 's'}: against {visible(against)}, paired by "
            f"repeat, each with its {100 * first.level:.3g} % interval. Verdicts on latency, training time, memory, "
            f"energy and {score.noun} share an error rate of {error_rate} over {first.family} tests (Holm); those on "
            f"all others share another one: in at most {200 * (1 - first.level):.3g} % of experiments any is wrong."
        )
        yield f"Frontier: probability of being on the Pareto frontier of {results.claims.sought}, given the repeats."
    if any(metric.estimated for metric in metrics.values()):
        yield "Estimated energy is CPU time restated in joules: it is in no chart and no verdict."
