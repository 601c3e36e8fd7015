"""The flags of an experiment: one for each of its fields."""

import dataclasses
from typing import Annotated

from cyclopts import Parameter

from significand.plan.options import OPTIONS


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


@dataclasses.dataclass(frozen=True)
class Flags:
    """One flag for each field of an experiment.

    Every value stays text here: the experiment checks them all and reports every mistake at once.
    """

    layer_sizes: Annotated[str | None, flag("layer_sizes")] = None
    activations: Annotated[str | None, flag("activations")] = None
    label_column: Annotated[str | None, flag("label_column")] = None
    data: Annotated[str | None, flag("data")] = None
    n_samples: Annotated[str | None, flag("n_samples")] = None
    engine: Annotated[str | None, flag("engine")] = None
    precision_modes: Annotated[str | None, flag("precision_modes", "--modes")] = None
    batch_size: Annotated[str | None, flag("batch_size")] = None
    epochs: Annotated[str | None, flag("epochs")] = None
    repeats: Annotated[str | None, flag("repeats")] = None
    seed: Annotated[str | None, flag("seed")] = None
    optimizer: Annotated[str | None, flag("optimizer")] = None
    learning_rate: Annotated[str | None, flag("learning_rate")] = None
    momentum: Annotated[str | None, flag("momentum")] = None
    test_fraction: Annotated[str | None, flag("test_fraction")] = None
    threads: Annotated[str | None, flag("threads")] = None
    latency_rounds: Annotated[str | None, flag("latency_rounds")] = None
    round_duration_s: Annotated[str | None, flag("round_duration_s")] = None
    watts_per_core: Annotated[str | None, flag("watts_per_core")] = None
    idle_baseline_s: Annotated[str | None, flag("idle_baseline_s", "--idle-baseline")] = None
    on_noise: Annotated[str | None, flag("on_noise")] = None
    noise_share: Annotated[str | None, flag("noise_share")] = None
    remeasure_limit: Annotated[str | None, flag("remeasure_limit")] = None
    remeasure_nice: Annotated[str | None, flag("remeasure_nice")] = None
    baseline: Annotated[str | None, flag("baseline")] = None
    margin: Annotated[str | None, flag("margin")] = None
    accuracy_margin: Annotated[str | None, flag("accuracy_margin")] = None
    objectives: Annotated[str | None, flag("objectives")] = None
    until: Annotated[str | None, flag("until")] = None
    until_metric: Annotated[str | None, flag("until_metric")] = None
    max_repeats: Annotated[str | None, flag("max_repeats")] = None
    max_time_s: Annotated[str | None, flag("max_time_s", "--max-time")] = None
    step_timeout_s: Annotated[str | None, flag("step_timeout_s")] = None


NO_FLAGS = Flags()
