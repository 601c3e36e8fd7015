"""The flags of an experiment: one for each of its fields."""

import dataclasses
from typing import Annotated

from cyclopts import Group, Parameter

from significand.plan.options import OPTION_GROUPS, OPTIONS

_GROUP_OF = {
    field: Group(title, sort_key=place)
    for place, (title, fields) in enumerate(OPTION_GROUPS.items())
    for field in fields
}


def flag(field: str, *aliases: str) -> Parameter:
    """Return the flag of a field; its help and default come from the table of options."""
    option = OPTIONS[field]
    return Parameter(
        name=(f"--{field.replace('_', '-')}", *aliases),
        help=f"{option.help} (default: {option.shown_default})",
        show_default=False,
        metavar="VALUE",
        allow_repeating=True,  # the last one wins, as in most programs
    )


def grouped(field: str, *aliases: str) -> Parameter:
    """Return the flag of a field, shown among those of its group."""
    return Parameter.combine(flag(field, *aliases), Parameter(group=_GROUP_OF[field]))


@dataclasses.dataclass(frozen=True)
class Flags:
    """One flag for each field of an experiment.

    Every value stays text here: the experiment checks them all and reports every mistake at once.
    """

    hidden: Annotated[str | None, grouped("hidden")] = None
    layer_sizes: Annotated[str | None, grouped("layer_sizes")] = None
    activations: Annotated[str | None, grouped("activations")] = None
    data: Annotated[str | None, grouped("data")] = None
    label_column: Annotated[str | None, grouped("label_column")] = None
    separator: Annotated[str | None, grouped("separator")] = None
    header: Annotated[str | None, grouped("header")] = None
    missing: Annotated[str | None, grouped("missing")] = None
    n_samples: Annotated[str | None, grouped("n_samples")] = None
    test_fraction: Annotated[str | None, grouped("test_fraction")] = None
    batch_size: Annotated[str | None, grouped("batch_size")] = None
    epochs: Annotated[str | None, grouped("epochs")] = None
    optimizer: Annotated[str | None, grouped("optimizer")] = None
    learning_rate: Annotated[str | None, grouped("learning_rate")] = None
    momentum: Annotated[str | None, grouped("momentum")] = None
    seed: Annotated[str | None, grouped("seed")] = None
    engine: Annotated[str | None, grouped("engine")] = None
    precision_modes: Annotated[str | None, grouped("precision_modes", "--modes")] = None
    repeats: Annotated[str | None, grouped("repeats")] = None
    baseline: Annotated[str | None, grouped("baseline")] = None
    margin: Annotated[str | None, grouped("margin")] = None
    accuracy_margin: Annotated[str | None, grouped("accuracy_margin")] = None
    objectives: Annotated[str | None, grouped("objectives")] = None
    threads: Annotated[str | None, grouped("threads")] = None
    latency_rounds: Annotated[str | None, grouped("latency_rounds")] = None
    round_duration_s: Annotated[str | None, grouped("round_duration_s")] = None
    watts_per_core: Annotated[str | None, grouped("watts_per_core")] = None
    idle_baseline_s: Annotated[str | None, grouped("idle_baseline_s", "--idle-baseline")] = None
    step_timeout_s: Annotated[str | None, grouped("step_timeout_s")] = None
    on_noise: Annotated[str | None, grouped("on_noise")] = None
    noise_share: Annotated[str | None, grouped("noise_share")] = None
    remeasure_limit: Annotated[str | None, grouped("remeasure_limit")] = None
    remeasure_nice: Annotated[str | None, grouped("remeasure_nice")] = None
    until: Annotated[str | None, grouped("until")] = None
    until_metric: Annotated[str | None, grouped("until_metric")] = None
    max_repeats: Annotated[str | None, grouped("max_repeats")] = None
    max_time_s: Annotated[str | None, grouped("max_time_s", "--max-time")] = None


NO_FLAGS = Flags()
