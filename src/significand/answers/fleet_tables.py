"""The tables of a fleet's folder: each column described once, and the tables as data frames."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from significand.analysis.grouped import grouped_estimates
from significand.analysis.hosts import METHOD
from significand.analysis.moments import Codes, Floats
from significand.answers.fleet import LEVEL, FleetAnswer, MetricOnHosts, is_over_hosts
from significand.plan.metrics import SUMMARISED
from significand.plan.phrases import BETWEEN_RUNS
from significand.results.fleet import Host
from significand.results.host_names import host_folder_name
from significand.results.records import Run, described
from significand.results.table import clean

Columns = Mapping[str, tuple[str, str]]
"""By name: what it means, and its unit."""

HOST_COLUMNS: Columns = {
    "host": ("name of the host, as of its folder below hosts", ""),
    "kind": ("processor's model, with its instruction sets where two kinds share the model", ""),
    "instructions": ("which of its instruction sets decide how fast narrow formats are", ""),
    "cpu": ("the processor's name", ""),
    "physical_cores": ("physical cores", ""),
    "available_cpus": ("logical CPUs that the program may use", ""),
    "memory_mb": ("memory of the machine", "MB (10^6 bytes)"),
    "virtual_machine": ("whether a hypervisor runs the machine", ""),
    "frequency_governor": ("what governs the CPU's clock frequency", ""),
    "turbo": ("whether the CPU may clock above what it can sustain", ""),
    "os": ("operating system and kernel", ""),
    "python": ("version of Python", ""),
    "versions": ("packages and their versions", ""),
    "repeats": ("repeats of which it has a finished run", ""),
    "finished_runs": ("runs that came to their end", ""),
    "failed_runs": ("runs that did not", ""),
    "finished_blocks": ("of fleet.json's blocks on this host, those that finished", ""),
    "lost_blocks": ("those that were lost or failed", ""),
    "first_started_utc": (
        "when its first block started, by the submitting machine's clock; of merged folders by its own",
        "UTC",
    ),
    "last_ended_utc": ("when its last one ended, by the same clock", "UTC"),
}
"""Columns of hosts.csv."""

_FROM_MACHINE = (
    "cpu",
    "physical_cores",
    "available_cpus",
    "memory_mb",
    "virtual_machine",
    "frequency_governor",
    "turbo",
    "os",
    "python",
)

RATIO_COLUMNS: Columns = {
    "metric": ("what is compared", ""),
    "setup": ("the setup, by its name", ""),
    "baseline": ("the setup that it is compared with", ""),
    "scale": ("ratio: setup over baseline; points, difference: setup minus baseline", ""),
    "of": ("host: what one host shows; kind: what the hosts of a kind show together", ""),
    "kind": ("kind of the host or hosts, as in hosts.csv", ""),
    "host": ("name of the host; empty for a kind", ""),
    "hosts": ("hosts behind it", ""),
    "pairs": ("pairs of runs behind it", ""),
    "estimate": ("mean over pairs, or over hosts: geometric of ratios", "1, points or the score's, by scale"),
    "low": ("lower bound of its interval, which is of this comparison alone", "1, points or the score's, by scale"),
    "high": ("its upper bound", "1, points or the score's, by scale"),
    "level": ("confidence level of all intervals", "1"),
    "method": (f"how the interval was made: t, or {METHOD} over hosts", ""),
    "standard_error": ("of the estimate: of the log of a ratio, or of the difference", "1, points or the score's"),
    "p_value": ("two-sided p-value of no difference, of this test alone; of kinds", "1"),
    "p_adjusted": ("the same by Holm's method among all kinds and setups of the metric's family", "1"),
    "within": ("standard deviation of a pair within a host, pooled over the kind's hosts; of logs", "1"),
    "tau": ("standard deviation of the hosts' true values; of logs", "1"),
    "tau_low": ("lower bound of its Q-profile interval", "1"),
    "tau_high": ("its upper bound", "1"),
    "i_squared": ("share of the variance of what hosts show that is between them", "1"),
    "i_squared_low": ("lower bound of its interval", "1"),
    "i_squared_high": ("its upper bound", "1"),
    "prediction_low": ("lower bound of where the true value of one more host of the kind lies", "1"),
    "prediction_high": ("its upper bound", "1"),
    "reason": ("what must be known of it, or why something is missing", ""),
}
"""Columns of host_ratios."""

_OVER = ("within", "tau", "tau_low", "tau_high", "i_squared", "i_squared_low", "i_squared_high")

SUMMARY_STATISTICS = {
    "mean": "mean over the host's finished runs",
    "std": "sample standard deviation (n - 1)",
    "ci95": "1.96 standard errors",
    "ci95_t_low": "lower bound of the 95 % t interval of the mean",
    "ci95_t_high": "its upper bound",
}
"""What the columns ``<metric>_<statistic>`` of a fleet's summary_stats are."""

_SUMMARY_FACTS: Columns = {
    "host": HOST_COLUMNS["host"],
    "kind": HOST_COLUMNS["kind"],
    "setup": ("name of the setup: its precision, and its values on the other axes that vary", ""),
    "precision_mode": ("the precision", ""),
    "engine": ("what executed the network", ""),
    "batch_size": ("samples per training step and per inference call", ""),
    "threads": ("threads of training and engine", ""),
    "effective_precision": ("what inference really computed in; several where runs differ", ""),
    "repeats": ("finished runs", ""),
    "failed_runs": ("runs that failed; they are in no other number", ""),
}


def fleet_summary_columns() -> Columns:
    """Return the columns of a fleet's summary_stats."""
    units = {name: unit for name, (_, unit) in described(Run).items()}
    return {
        **_SUMMARY_FACTS,
        **{
            f"{metric.name}_{name}": (f"{metric.column}: {told}", units[metric.column])
            for metric in SUMMARISED
            for name, told in SUMMARY_STATISTICS.items()
        },
    }


def runs_frame(answer: FleetAnswer) -> pl.DataFrame:
    """Return every run of every host, with the columns of raw_runs.csv behind the host's name."""
    fleet = answer.fleet
    names = pl.Series("host", [host.name for host in fleet.hosts], dtype=pl.Categorical)
    return fleet.runs.frame.select(names.gather(fleet.host_codes).alias("host"), pl.all())


def hosts_frame(answer: FleetAnswer) -> pl.DataFrame:
    """Return one row per host: `HOST_COLUMNS`."""
    fleet = answer.fleet
    known = {host.name for host in fleet.hosts}
    of_hosts = ((one, host_folder_name(one.host)) for one in fleet.blocks)
    blocks = pl.DataFrame(
        [(host, one.state, one.started_utc, one.ended_utc) for one, host in of_hosts if host in known],
        schema={"host": pl.String, "state": pl.String, "started": pl.String, "ended": pl.String},
        orient="row",
    )
    done = pl.col("state") == "finished"
    of_blocks = blocks.group_by("host").agg(
        done.sum().cast(pl.Int64).alias("finished_blocks"),
        pl.col("state").is_in(["lost", "failed"]).sum().cast(pl.Int64).alias("lost_blocks"),
        pl.col("started").filter(pl.col("started") != "").min().alias("first_started_utc"),
        pl.col("ended").filter(pl.col("ended") != "").max().alias("last_ended_utc"),
    )
    rows = pl.DataFrame([_host_row(host) for host in fleet.hosts], schema=_types(list(HOST_COLUMNS)[:-4]), strict=False)
    frame = rows.join(of_blocks, on="host", how="left", maintain_order="left")
    return frame.with_columns(pl.col("finished_blocks", "lost_blocks").fill_null(0)).select(list(HOST_COLUMNS))


def ratios_frame(answer: FleetAnswer) -> pl.DataFrame:
    """Return each host's ratios, and after those of a metric what the hosts of each kind say: `RATIO_COLUMNS`."""
    frames = [frame for one in answer.ratios.values() for frame in (_of_hosts(answer, one), _of_kinds(answer, one))]
    empty = pl.DataFrame(schema=_types(RATIO_COLUMNS))
    return pl.concat([empty, *(frame.select(list(RATIO_COLUMNS)) for frame in frames)], how="vertical_relaxed")


def summary_frame(answer: FleetAnswer) -> pl.DataFrame:
    """Return one row per host and setup: `fleet_summary_columns`."""
    fleet, runs = answer.fleet, answer.fleet.runs
    finished, n_setups = runs.finished, len(answer.setups)
    n_cells = len(fleet.hosts) * n_setups
    cells = answer.cells[finished]
    every = np.bincount(answer.cells, minlength=n_cells)
    places = {setup.name: setup for setup in fleet.experiment.setups()}
    setups = [places.get(name) for name in answer.setups]
    order = np.arange(n_cells)
    hosts, own = order // n_setups, order % n_setups

    def of_setup(name: str) -> list[object]:
        values = [getattr(setup, name) if setup is not None else None for setup in setups]
        return [values[k] for k in own.tolist()]

    data: dict[str, object] = {
        "host": [fleet.hosts[k].name for k in hosts.tolist()],
        "kind": [fleet.hosts[k].kind for k in hosts.tolist()],
        "setup": [answer.setups[k] for k in own.tolist()],
        "precision_mode": of_setup("precision"),
        "engine": of_setup("engine"),
        "batch_size": of_setup("batch_size"),
        "threads": of_setup("threads"),
        "effective_precision": _formats(answer, n_cells),
        "repeats": np.bincount(cells, minlength=n_cells),
        "failed_runs": every - np.bincount(cells, minlength=n_cells),
    }
    mixed = _mixed_sources(answer, n_cells)
    for metric in SUMMARISED:
        found = grouped_estimates(runs.numbers(metric.column)[finished], cells, n_cells, LEVEL)
        values = (
            found.mean,
            found.std,
            found.ci95,
            found.mean - found.t_half_width,
            found.mean + found.t_half_width,
        )
        for name, column in zip(SUMMARY_STATISTICS, values, strict=True):
            told = np.where(mixed, np.nan, column) if metric.may_be_estimated else column
            data[f"{metric.name}_{name}"] = pl.Series(told).fill_nan(None)
    frame = pl.DataFrame(data).select(list(fleet_summary_columns()))
    return frame.filter(pl.Series(every > 0))


def _host_row(host: Host) -> dict[str, object]:
    finished = host.table.finished
    versions = host.machine.get("versions")
    known = versions.items() if isinstance(versions, Mapping) else ()
    told = {name: host.machine.get(name) for name in _FROM_MACHINE}
    return {
        "host": host.name,
        "kind": host.kind,
        "instructions": host.instructions or None,
        **{name: clean(value) for name, value in told.items() if isinstance(value, str | int | float)},
        "versions": clean(", ".join(f"{name} {version}" for name, version in known if version)),
        "repeats": np.unique(host.table.counts("repeat")[finished]).size,
        "finished_runs": int(finished.sum()),
        "failed_runs": int((~finished).sum()),
    }


_TEXTS = {"metric", "setup", "baseline", "scale", "of", "kind", "host", "method", "reason", "instructions", "cpu"}
_TEXTS |= {"frequency_governor", "os", "python", "versions", "first_started_utc", "last_ended_utc"}
_COUNTS = {"hosts", "pairs", "physical_cores", "available_cpus", "repeats", "finished_runs", "failed_runs"}
_COUNTS |= {"finished_blocks", "lost_blocks"}
_TRUTHS = {"virtual_machine", "turbo"}


def _types(columns: Sequence[str] | Columns) -> dict[str, type[pl.DataType]]:
    return {
        name: pl.String
        if name in _TEXTS
        else pl.Int64
        if name in _COUNTS
        else pl.Boolean
        if name in _TRUTHS
        else pl.Float64
        for name in columns
    }


def _of_hosts(answer: FleetAnswer, one: MetricOnHosts) -> pl.DataFrame:
    """Return what each host shows, setup by setup."""
    setups, hosts = np.nonzero(one.pairs.T > 0)
    kinds = [answer.fleet.hosts[k].kind for k in hosts.tolist()]
    numbers = {name: one.shown(getattr(one, source)[hosts, setups]) for name, source in _ESTIMATE.items()}
    return _frame(
        answer,
        one,
        setups,
        {
            "of": "host",
            "kind": kinds,
            "host": [answer.fleet.hosts[k].name for k in hosts.tolist()],
            "hosts": np.ones(setups.size, dtype=np.int64),
            "pairs": one.pairs[hosts, setups],
            **numbers,
            "method": "t",
            "standard_error": one.standard_error[hosts, setups],
        },
    )


_ESTIMATE = {"estimate": "mean", "low": "low", "high": "high"}
_ESTIMATE_OF_KIND = {"estimate": "point", "low": "point_low", "high": "point_high"}


def _of_kinds(answer: FleetAnswer, one: MetricOnHosts) -> pl.DataFrame:
    """Return what the hosts of each kind show together, setup by setup."""
    setups, kinds = np.nonzero(one.hosts.T > 0)
    at = kinds, setups
    several, over = one.hosts[at] > 1, dict(_over(one))
    is_told = np.isfinite(one.point[at])
    is_mean = several & is_over_hosts(one.metric) & is_told  # of scores there is none
    numbers = {name: one.shown(getattr(one, source)[at]) for name, source in _ESTIMATE_OF_KIND.items()}
    pairs = np.zeros(one.hosts.shape, dtype=np.int64)
    np.add.at(pairs, answer.kind_codes, one.pairs)
    return _frame(
        answer,
        one,
        setups,
        {
            "of": "kind",
            "kind": [answer.fleet.kinds[k] for k in kinds.tolist()],
            "host": None,
            "hosts": one.hosts[at],
            "pairs": pairs[at],
            **numbers,
            "method": [METHOD if mean else "t" if told else None for mean, told in zip(is_mean, is_told, strict=True)],
            "p_value": one.p_value[at],
            "p_adjusted": one.p_adjusted[at],
            **{name: np.where(is_mean, values[at], np.nan) for name, values in over.items()},
            "reason": [text or None for text in one.reasons[at].tolist()],
        },
    )


def _over(one: MetricOnHosts) -> Iterator[tuple[str, Floats]]:
    for name in (*_OVER, "standard_error"):
        yield name, one.of_kind(name)
    for name in ("prediction_low", "prediction_high"):
        yield name, one.shown(one.of_kind(name))


def _frame(answer: FleetAnswer, one: MetricOnHosts, setups: Codes, columns: Mapping[str, object]) -> pl.DataFrame:
    """Return rows of host_ratios; what they lack is null."""
    told: dict[str, object] = {
        "metric": one.metric.name,
        "setup": [answer.setups[k] for k in setups.tolist()],
        "baseline": [answer.setups[answer.baselines[k]] for k in setups.tolist()],
        "scale": one.metric.scale,
        "level": LEVEL,
        **columns,
    }
    types = _types(RATIO_COLUMNS)
    made = {
        name: pl.Series(name, value, dtype=types[name])
        if isinstance(value, list | np.ndarray)
        else pl.Series(name, [value], dtype=types[name]).new_from_index(0, setups.size)
        for name, value in ((name, told.get(name)) for name in RATIO_COLUMNS)
    }
    return pl.DataFrame(made).with_columns(pl.col(pl.Float64).fill_nan(None))


def _formats(answer: FleetAnswer, n_cells: int) -> list[str | None]:
    """Return by host and setup the formats that its runs computed in."""
    runs = answer.fleet.runs
    told = (
        pl.DataFrame({"cell": answer.cells, "format": runs.texts("effective_precision")})
        .filter(pl.Series(runs.finished) & (pl.col("format") != ""))
        .group_by("cell")
        .agg(pl.col("format").unique().sort().str.join(BETWEEN_RUNS))
    )
    found: list[str | None] = [None] * n_cells
    for cell, formats in told.iter_rows():
        found[cell] = formats
    return found


def _mixed_sources(answer: FleetAnswer, n_cells: int) -> np.ndarray:
    """Tell by host and setup whether its energies are from several counters or estimates, which have no mean."""
    finished = answer.fleet.runs.finished
    cells, sources = answer.cells[finished], answer.fleet.runs.energy_sources[finished]
    least, most = np.full(n_cells, np.iinfo(np.int64).max), np.full(n_cells, -1)
    np.minimum.at(least, cells, sources)
    np.maximum.at(most, cells, sources)
    return np.asarray((most >= 0) & (least != most))
