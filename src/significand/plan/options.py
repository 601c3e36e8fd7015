"""Every field of an experiment, described once: default, kind, help, group, and what it means for a comparison.

Flags, keys of TOML files, keywords of Python, help, docs, validation and the comparison of folders follow from this. To
add a field is a line here, and one where a run uses it. Nothing heavy is imported, so that help is quick.
"""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from significand.plan.indifference import Indifferences
from significand.plan.kinds import (
    HIDDEN_SIZES,
    LARGEST_SCORE_MARGIN,
    NONE,
    SIZES,
    Kind,
    Location,
    Real,
    Settings,
    Several,
    Share,
    Text,
    Whole,
    Word,
)
from significand.plan.limits import Limits
from significand.plan.metrics import MINIMISED, OBJECTIVES, UNTIL_METRICS
from significand.plan.precision import CALIBRATION_SAMPLES, MODES, ModeName

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softmax", "linear")
MLP = "mlp"
BUILT_IN_NETWORKS = (MLP, "cnn", "encoder", "lstm")
DIGITS = "digits"
SYNTHETIC = "synthetic"
BUILT_IN_DATA = (SYNTHETIC, DIGITS)
SYNTHETIC_SAMPLES = 512
SYNTHETIC_ENDS = (64, 10)
"""Inputs and outputs of a network whose data are made to fit."""

HIDDEN = (128,)
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
"""What may separate the cells of a table: its word, and the character itself."""

LEARNING_RATES = {"sgd": 0.01, "adam": 0.001}

FEWEST_SEQUENTIAL = 10
"""Repeats before a rule that looks at the intervals may stop. It stops early where the spread happens to look small,
and with fewer repeats the interval then covers too little."""

NETWORK = "The network and its data"
TRAINING = "How it is trained"
COMPARED = "What is compared"
DECIDED = "Which one to ship"
MEASURED = "How it is measured"
NOISE = "What becomes of disturbed steps"
UNTIL = "Going on until it is precise"
GROUPS = (NETWORK, TRAINING, COMPARED, DECIDED, MEASURED, NOISE, UNTIL)
"""In which help shows the fields, in this order."""


@dataclass(frozen=True)
class Option:
    """One field of an experiment.

    Attributes
    ----------
    help
        What it means, in one line.
    group
        One of `GROUPS`.
    kind
        How its values are read.
    otherwise
        What a default of None stands for.
    aliases
        Further flags.
    axis
        Its name as an axis; empty of a field that has one value for all setups.
    free
        Whether results that differ in it can be compared: it decides how often, or what is asked of the analysis.
    before
        What versions did that did not know the field, where that is not its default.
    name, default
        Those of the field.
    """

    help: str
    group: str
    kind: Kind
    otherwise: str = ""
    aliases: tuple[str, ...] = ()
    axis: str = ""
    free: bool = False
    before: Any = None
    name: str = ""
    default: Any = None

    @property
    def shown_default(self) -> str:
        """The default as help shows it."""
        return self.otherwise if self.default is None else self.kind.written(self.default)


def option(default: Any, help: str, group: str, kind: Kind, **more: Any) -> Any:  # noqa: A002, ANN401 - a field of any type
    """Return a field with its description; see `Option`."""
    return field(default=default, metadata={"option": Option(help, group, kind, **more)})


def _metric(names: Sequence[str], what: str = "") -> Word:
    """Return the kind of a metric's name, with hyphens, too."""
    return Word(words=names, what=what, aliases={name.replace("_", "-"): name for name in names})


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The fields of an experiment, in the order in which help and docs show them. None is what a plan fills in."""

    model: str = option(
        MLP,
        "what is measured: a Python file with model() and data(), as my.py or my.py:make, a module, as "
        f"package.module:name, an .onnx file, or a built-in network, of {', '.join(BUILT_IN_NETWORKS)}",
        NETWORK,
        Location(),
    )
    set: tuple[str, ...] = option(
        ("",),
        "what model() is called with, as width=64; several values, width=32,64, are an axis",
        NETWORK,
        Settings(),
        axis="options",
    )
    shape: tuple[str, ...] = option(
        (),
        "sizes of an .onnx file's dynamic axes where inputs are made up, as seq=128",
        NETWORK,
        Several(Text(), nothing=(NONE,)),
    )
    hidden: tuple[int, ...] | None = option(
        None,
        "units of the layers between inputs and outputs, which follow from the data, such as 128,64, or none",
        NETWORK,
        HIDDEN_SIZES,
        otherwise=",".join(map(str, HIDDEN)),
    )
    layer_sizes: tuple[int, ...] = option(
        None,
        "units of every layer, input first, such as 64-128-10, for who wants to say all",
        NETWORK,
        SIZES,
        otherwise="by the data and hidden: 64-128-10 for digits",
    )
    activations: tuple[str, ...] = option(
        None,
        f"one per layer transition, of {', '.join(ACTIVATIONS)}",
        NETWORK,
        Several(Word(words=ACTIVATIONS, what="an activation")),
        otherwise="relu between, softmax last; sigmoid for a single output",
    )
    data: str | None = option(
        None,
        "synthetic, digits, or a .npz (X, y), .csv or .tsv file; for other networks an .npz of inputs by name, and y",
        NETWORK,
        Location(),
        otherwise="digits; of other networks their own",
    )
    label_column: str | None = option(
        None, "column of a .csv file that holds the label", NETWORK, Text(), otherwise="the last"
    )
    separator: str | None = option(
        None,
        f"what separates the cells of a .csv file, of {', '.join(SEPARATORS)}",
        NETWORK,
        Word(
            words=tuple(SEPARATORS),
            what="a separator",
            aliases={mark: word for word, mark in SEPARATORS.items()} | {r"\t": "tab", r"\s+": "space"},
        ),
        otherwise="what it is found to be",
    )
    header: str | None = option(
        None,
        "whether the first line of a .csv file names the columns: yes, no or auto",
        NETWORK,
        Word(words=("yes", "no", "auto"), aliases={True: "yes", False: "no"}),
        otherwise="auto",
    )
    missing: tuple[str, ...] | None = option(
        None,
        "words that mean a missing value in a .csv file, such as NA,?; an empty cell always does",
        NETWORK,
        Several(Text()),
        otherwise="nan, NA, null, None and the like among numbers",
    )
    n_samples: int | None = option(
        None,
        "samples used, train and test together; of train_data() and of test_data() at most so many each",
        NETWORK,
        Whole(),
        otherwise=f"all; of synthetic data {SYNTHETIC_SAMPLES}",
    )
    test_fraction: float = option(
        0.2, "share of the samples held out for test", NETWORK, Real(more_than=0, less_than=1)
    )

    epochs: int = option(10, "training epochs per run; 0: the network is only inferred", TRAINING, Whole(at_least=0))
    optimizer: str = option("sgd", "sgd (with momentum) or adam", TRAINING, Word(words=tuple(LEARNING_RATES)))
    learning_rate: float = option(
        None,
        "step size of the optimizer",
        TRAINING,
        Real(more_than=0),
        otherwise=", ".join(f"{rate} for {name}" for name, rate in LEARNING_RATES.items()),
    )
    momentum: float = option(0.9, "momentum of sgd", TRAINING, Real(at_least=0, less_than=1))
    # NumPy's and torch's generators take 32 bits without a second thought; seed + repeat must fit as well.
    seed: int = option(
        42, "base seed of data split, initial weights and shuffling", TRAINING, Whole(at_least=0), free=True
    )

    precision_modes: tuple[str, ...] = option(
        ("float32", "float16", "int8"),
        f"modes to compare, of {', '.join(MODES)}; with a way to calibrate, int8:entropy, or a block size, int4:128",
        COMPARED,
        Several(ModeName(), alone=True, once="mode"),
        aliases=("--precision", "--modes"),
        axis="precision",
        free=True,  # setups of one folder only are not compared
    )
    engine: tuple[str, ...] = option(
        ("onnxruntime",),
        "what executes the trained network, one or several: onnxruntime, openvino, torch, torch-compile, or one that a "
        "package adds",
        COMPARED,
        Several(Text(), alone=True, once="engine"),
        axis="engine",
    )
    batch_size: tuple[int, ...] = option(
        (32,),
        "samples per training step and per inference call, one or several: 1,8,32",
        COMPARED,
        Several(Whole(), alone=True, once="value"),
        axis="batch_size",
    )
    threads: tuple[int, ...] = option(
        None,
        "threads of training and engine alike, one or several: 1,2",
        COMPARED,
        Several(Whole(), alone=True, once="value"),
        otherwise="the physical cores",
        axis="threads",
    )
    calibration_samples: tuple[int, ...] = option(
        (CALIBRATION_SAMPLES,),
        "training examples that int8 takes its scales from, or all where there are fewer, one or several: 32,512",
        COMPARED,
        Several(Whole(), alone=True, once="value"),
        axis="calibration_samples",
    )
    repeats: int = option(5, "runs of each setup; repeat r uses seed + r", COMPARED, Whole(), free=True)
    baseline: tuple[tuple[str, str], ...] = option(
        None,
        "what the others are compared with, as precision=float32 or engine=torch: each setup with the one that differs "
        "in that alone",
        COMPARED,
        Several(Text(), alone=True),
        otherwise="precision=float32, or the first mode",
        free=True,
    )
    against: str | None = option(
        None,
        "another Python environment, its folder or its python: every setup is measured there, too, in the same turns, "
        "and compared with itself there",
        COMPARED,
        Text(named="environment"),
        otherwise="none",
        free=True,
    )
    margin: float | None = option(
        None,
        "costs that differ by surely less, such as 2%, are called equivalent",
        COMPARED,
        Share(more_than=0, at_most=10),
        otherwise="none",
        free=True,
    )
    accuracy_margin: float | None = option(
        None,
        "the same for accuracies, in percentage points, and for other scores, in their own unit",
        COMPARED,
        Real(more_than=0, at_most=LARGEST_SCORE_MARGIN),
        otherwise="none",
        free=True,
    )
    objectives: tuple[str, ...] = option(
        ("latency", "test_accuracy"),
        f"of the Pareto frontier, two or more of {', '.join(OBJECTIVES)}",
        COMPARED,
        Several(_metric(OBJECTIVES, "an objective")),
        free=True,
        before=("latency", "accuracy"),
    )
    indifferent: tuple[str, ...] = option(
        (),
        "what does not matter in objectives, as latency=1%,test_accuracy=0.1 (points): who is worse by less in all is "
        "as good",
        COMPARED,
        Indifferences(),
        free=True,
    )

    max_loss: float | None = option(
        None,
        "held-out score that may be lost against the baseline: percentage points, or units of another score",
        DECIDED,
        Real(at_least=0, at_most=LARGEST_SCORE_MARGIN),
        otherwise="1 point; of other scores than shares 0.01",
        free=True,
    )
    minimise: str = option(
        "latency",
        f"what is to be as small as possible, of {', '.join(MINIMISED)}",
        DECIDED,
        _metric(MINIMISED, "a cost to minimise"),
        free=True,
    )
    limit: tuple[str, ...] = option(
        (),
        "what a setup must keep within, of any metric, as memory=50MB,latency=2ms; can be given several times",
        DECIDED,
        Limits(),
        free=True,
    )

    latency_rounds: int = option(10, "short latency measurements per run", MEASURED, Whole())
    round_duration_s: float = option(
        0.03, "length of a latency round in seconds", MEASURED, Real(more_than=0, at_most=60)
    )
    watts_per_core: float = option(
        12.0,
        "power of a busy core in watts, where energy is estimated",
        MEASURED,
        Real(more_than=0),
        free=True,  # of an estimated energy, which is not compared
    )
    idle_baseline_s: float = option(
        0.0,
        "measure the idle machine's power for that many seconds first, and subtract it; needs an energy counter",
        MEASURED,
        Real(at_least=0, at_most=3600),
        aliases=("--idle-baseline",),
    )
    step_timeout_s: float = option(
        600.0,
        "a run with a step longer than this, in seconds, is ended as failed",
        MEASURED,
        Real(more_than=0),
        free=True,
    )

    on_noise: str = option(
        "remeasure",
        "a step that others disturbed: remeasure it, mark it, or remeasure and fail",
        NOISE,
        Word(words=("remeasure", "mark", "fail")),
        before="mark",
    )
    noise_share: float = option(
        0.05,
        "a step is disturbed when others took more than this share of the CPUs it needed",
        NOISE,
        Real(more_than=0, at_most=1),
    )
    remeasure_limit: int = option(
        3,
        "how many times a disturbed step is measured again, at most",
        NOISE,
        Whole(at_least=0, less_than=101),
    )
    remeasure_nice: int = option(
        -20,
        "priority (nice) of a step measured again, where the system permits it; 0 leaves it alone",
        NOISE,
        Whole(at_least=-20, at_most=0, less_than=None),
    )

    until: float | None = option(
        None,
        "go on beyond repeats, after at least ten, until every ratio to the baseline is known to within so much, "
        "such as 1%",
        UNTIL,
        Share(more_than=0, less_than=1),
        otherwise="run the repeats",
        free=True,
    )
    until_metric: str = option(
        "latency",
        f"with until: whose ratio that is: {', '.join(UNTIL_METRICS)}",
        UNTIL,
        _metric(UNTIL_METRICS),
        free=True,
    )
    max_repeats: int = option(100, "with until: repeats at most", UNTIL, Whole(), free=True)
    max_time_s: float | None = option(
        None,
        "with until: after at least ten repeats, no new one after so many seconds, counted anew by --resume",
        UNTIL,
        Real(more_than=0),
        otherwise="no limit",
        aliases=("--max-time",),
        free=True,
    )


def _described() -> dict[str, Option]:
    described = {}
    for one in fields(Fields):
        given: Option = one.metadata["option"]
        assert one.default is not MISSING  # noqa: S101 - every field is made by `option`
        described[one.name] = Option(**vars(given) | {"name": one.name, "default": one.default})
    return described


OPTIONS = _described()
"""Every field by its name, in the order of `Fields`."""

AXES = {one.axis: one.name for one in OPTIONS.values() if one.axis}
"""By the name of an axis, the field that holds its values."""
