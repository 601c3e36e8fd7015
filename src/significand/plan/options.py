"""The fields of an experiment: their defaults and what they mean. Nothing is imported, so that help is quick."""

from dataclasses import dataclass
from typing import Any

from significand.plan.precision import MODES

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softmax", "linear")
BUILT_IN_DATA = ("synthetic", "digits")
SYNTHETIC_SAMPLES = 512
SYNTHETIC_ENDS = (64, 10)
"""Inputs and outputs of a network whose data are made to fit."""

HIDDEN = (128,)
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
"""What may separate the cells of a table: its word, and the character itself."""

COST_METRICS = ("latency", "train_time", "memory", "energy")
OBJECTIVES = (
    "latency",
    "accuracy",
    "test_accuracy",
    "memory",
    "inference_memory",
    "model_size",
    "train_time",
    "energy",
)
LEARNING_RATES = {"sgd": 0.01, "adam": 0.001}

FEWEST_SEQUENTIAL = 10
"""Repeats before a rule that looks at the intervals may stop. It stops early where the spread happens to look small,
and with fewer repeats the interval then covers too little."""


@dataclass(frozen=True)
class Option:
    """One field of an experiment.

    Attributes
    ----------
    default
        Its value where none is given; None where it depends on something else, which `otherwise` says.
    help
        What it means, in one line.
    otherwise
        What a default of None stands for.
    """

    default: Any
    help: str
    otherwise: str = ""

    @property
    def shown_default(self) -> str:
        """The default as help shows it."""
        if isinstance(self.default, tuple):
            return ("-" if isinstance(self.default[0], int) else ",").join(map(str, self.default))
        return self.otherwise if self.default is None else str(self.default)


OPTION_GROUPS = {
    "The network and its data": {
        "hidden": Option(
            None,
            "units of the layers between inputs and outputs, which follow from the data, such as 128,64, or none",
            ",".join(map(str, HIDDEN)),
        ),
        "layer_sizes": Option(
            None,
            "units of every layer, input first, such as 64-128-10, for who wants to say all",
            "by the data and hidden: 64-128-10 for digits",
        ),
        "activations": Option(
            None,
            f"one per layer transition, of {', '.join(ACTIVATIONS)}",
            "relu between, softmax last; sigmoid for a single output",
        ),
        "data": Option("digits", "synthetic, digits, or a .npz (X, y), .csv or .tsv file"),
        "label_column": Option(None, "column of a .csv file that holds the label", "the last"),
        "separator": Option(
            None, f"what separates the cells of a .csv file, of {', '.join(SEPARATORS)}", "what it is found to be"
        ),
        "header": Option(None, "whether the first line of a .csv file names the columns: yes, no or auto", "auto"),
        "missing": Option(
            None,
            "words that mean a missing value in a .csv file, such as NA,?; an empty cell always does",
            "nan, NA, null, None and the like among numbers",
        ),
        "n_samples": Option(
            None, "samples used, train and test together", f"all; of synthetic data {SYNTHETIC_SAMPLES}"
        ),
        "test_fraction": Option(0.2, "share of the samples held out for test"),
    },
    "How it is trained": {
        "batch_size": Option(32, "samples per training step and per inference call"),
        "epochs": Option(10, "training epochs per run"),
        "optimizer": Option("sgd", "sgd (with momentum) or adam"),
        "learning_rate": Option(
            None,
            "step size of the optimizer",
            ", ".join(f"{rate} for {name}" for name, rate in LEARNING_RATES.items()),
        ),
        "momentum": Option(0.9, "momentum of sgd"),
        "seed": Option(42, "base seed of data split, initial weights and shuffling"),
    },
    "What is compared": {
        "engine": Option("onnxruntime", "what executes the trained network: onnxruntime or torch"),
        "precision_modes": Option(("float32", "float16", "int8"), f"modes to compare, of {', '.join(MODES)}"),
        "repeats": Option(5, "runs of each mode; repeat r uses seed + r"),
        "baseline": Option(None, "mode that the others are compared with", "float32, or the first mode"),
        "margin": Option(None, "costs that differ by surely less, such as 2%, are called equivalent", "none"),
        "accuracy_margin": Option(None, "the same for accuracies, in percentage points", "none"),
        "objectives": Option(
            ("latency", "accuracy"), f"of the Pareto frontier, two or more of {', '.join(OBJECTIVES)}"
        ),
    },
    "How it is measured": {
        "threads": Option(None, "threads of training and engine alike", "the physical cores"),
        "latency_rounds": Option(10, "short latency measurements per run"),
        "round_duration_s": Option(0.03, "length of a latency round in seconds"),
        "watts_per_core": Option(12.0, "power of a busy core in watts, where energy is estimated"),
        "idle_baseline_s": Option(
            0.0,
            "measure the idle machine's power for that many seconds first, and subtract it; needs an energy counter",
        ),
        "step_timeout_s": Option(600.0, "a run with a step longer than this, in seconds, is ended as failed"),
    },
    "What becomes of disturbed steps": {
        "on_noise": Option("remeasure", "a step that others disturbed: remeasure it, mark it, or remeasure and fail"),
        "noise_share": Option(0.05, "a step is disturbed when others took more than this share of the CPUs it needed"),
        "remeasure_limit": Option(3, "how many times a disturbed step is measured again, at most"),
        "remeasure_nice": Option(
            -20, "priority (nice) of a step measured again, where the system permits it; 0 leaves it alone"
        ),
    },
    "Going on until it is precise": {
        "until": Option(
            None,
            "go on beyond repeats, after at least ten, until every ratio to the baseline is known to within so much, "
            "such as 1%",
            "run the repeats",
        ),
        "until_metric": Option("latency", f"with until: whose ratio that is: {', '.join(COST_METRICS)}"),
        "max_repeats": Option(100, "with until: repeats at most"),
        "max_time_s": Option(
            None,
            "with until: after at least ten repeats, no new one after so many seconds, counted anew by --resume",
            "no limit",
        ),
    },
}
"""Every field, in the groups in which help shows them."""

OPTIONS = {name: option for group in OPTION_GROUPS.values() for name, option in group.items()}
