"""Where and how it was measured, and what the numbers cannot say: short sentences from the manifest and the rows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from significand.answers.folder import Folder
from significand.plan.metrics import SCORES
from significand.plan.problems import listed
from significand.present.page.setups import ShownSetup
from significand.present.rows import energy_estimated, enumerated, mapping, visible
from significand.present.words.environments import other_environment_words
from significand.present.words.population import population_sentence
from significand.results.facts import allowed_fields

Facts = tuple[tuple[str, str], ...]

NAMES = {
    "significand": "significand",
    "torch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "numpy": "NumPy",
    "openvino": "OpenVINO",
    "nncf": "NNCF",
}


def workload_facts(results: Folder) -> Facts:
    """Return what was measured, as names and values."""
    fields = results.experiment
    train, test = (results.runs.counts(name) for name in ("n_train", "n_test"))
    first = np.flatnonzero(train)[:1]
    split = f", {train[first[0]]:,} for training and {test[first[0]]:,} held out" if first.size else ""
    steps = f"{fields.epochs} epoch{'s' if fields.epochs != 1 else ''}, batches of {enumerated(fields.batch_size)}"
    threads = enumerated(fields.threads)
    activations = f", {visible(', '.join(fields.activations))}" if fields.activations else ""
    data = visible(fields.data or "its own")
    return (
        ("Network", f"{visible(fields.network_name)}{activations}"),
        ("Data", f"{data}{split}"),
        ("Training", f"{visible(fields.optimizer)}, {steps}" if fields.epochs else "none"),
        ("Inference", f"{enumerated(fields.engines())}, {threads} thread{'s' if threads != '1' else ''}"),
    )


def machine_facts(manifest: Mapping[str, object]) -> Facts:
    """Return the machine and the versions, as names and values; what is not known is left out."""
    machine = mapping(manifest.get("machine"))
    sets = machine.get("instruction_sets")
    versions = mapping(machine.get("versions"))
    memory_mb = machine.get("memory_mb")
    named = (
        ("Processor", machine.get("cpu")),
        ("Cores", _cores(machine)),
        ("Instructions for formats", ", ".join(map(str, sets)) if isinstance(sets, list) else None),
        ("Memory", f"{memory_mb / 1000:.1f} GB" if isinstance(memory_mb, int | float) else None),
        ("Clock", _clock(machine)),
        ("Virtual machine", {True: "yes", False: "no"}.get(machine.get("virtual_machine"))),  # type: ignore[call-overload]  # None is none of them
        ("System", machine.get("os")),
        ("Python", machine.get("python")),
        ("Versions", ", ".join(f"{NAMES.get(name, name)} {version}" for name, version in versions.items() if version)),
        ("Other environment", other_environment_words(manifest)),
    )
    return tuple((name, visible(value)) for name, value in named if value)


def _cores(machine: Mapping[str, object]) -> str | None:
    counts = {
        "physical": machine.get("physical_cores"),
        "logical": machine.get("logical_cpus"),
        "available": machine.get("available_cpus"),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or None


def _clock(machine: Mapping[str, object]) -> str | None:
    turbo = machine.get("turbo")
    known = (
        f"governor {machine['frequency_governor']}" if machine.get("frequency_governor") else None,
        f"turbo {'on' if turbo else 'off'}" if isinstance(turbo, bool) else None,
    )
    return ", ".join(filter(None, known)) or None


def method(results: Folder) -> Iterator[str]:
    """Say how it was measured, a sentence each."""
    fields, noun = results.experiment, SCORES[results.score].noun
    what = "their setup" if fields.varying - {"precision"} else "the precision"
    yield (
        f"Every run lives in a fresh process. The runs of one repeat differ in nothing but {what}: same data, same "
        "initial weights, same shuffling."
    )
    yield (
        f"They take turns on the machine, an epoch or a {1000 * fields.round_duration_s:g} ms round of inference calls "
        "at a time, in a balanced order, so that a machine that drifts hits all of them alike."
    )
    yield (
        "The format is read from the engine's optimised graph or from the operators that ran, and checked against the "
        "same weights in float64, or of an ONNX file's in unoptimised float32."
    )
    share = f"{100 * fields.noise_share:g} %"
    seen = f"A step is disturbed when other processes took more than {share} of the CPU time it needed"
    limit = f"at most {fields.remeasure_limit} time{'s' if fields.remeasure_limit != 1 else ''}"
    yield {
        "mark": f"{seen}; it is marked and kept.",
        "fail": f"{seen}; it is measured again, {limit}, and a run in which one stays disturbed fails.",
    }.get(
        fields.on_noise,
        f"{seen}; it is measured again, {limit}. What others did decides which attempt counts, never its time.",
    )
    yield (
        "Latency is the median time of a call on one batch, divided by the batch size; rounds before the steady state "
        f"do not count. Memory is the peak above the level before. The {noun} is that of the inference session itself."
    )
    yield (
        "The unit of every statistic is the run. Intervals are Student's t; comparisons are paired by repeat, of log "
        "ratios for costs (of latency, the median over rounds where they are known) and of differences for the "
        f"{noun}, with Holm's correction over all of them."
    )
    if told := population_sentence(results):
        yield told


def caveats(results: Folder, setups: Sequence[ShownSetup]) -> Iterator[str]:
    """Say what the numbers cannot say, a sentence each."""
    fields, finished = results.experiment, [setup for setup in setups if len(setup.runs)]
    if any(len(setup.runs) == 1 for setup in finished):
        yield "A single run has no interval, and nothing can be tested: repeat it."
    if fields.until is not None:
        yield (
            "The experiment went on until its intervals were narrow enough: they are sequential, and cover a little "
            "less than they say."
        )
    if any(energy_estimated(setup.row) for setup in finished):
        yield (
            f"Energy is an estimate: CPU time at {fields.watts_per_core:g} W per busy core, the same in every "
            "precision. It is no evidence that a format saves energy."
        )
    if results.runs.counts("session").any():
        yield (
            "The experiment was interrupted and gone on with. Runs of a repeat that was cut in two were measured at "
            "different times and are compared all the same: what changed on the machine in between is in their ratio."
        )
    if allowed := allowed_fields(results.manifest):
        yield (
            f"It was resumed although {visible(listed(allowed))} differed, as was allowed: its runs are of both, and "
            "what that changes is in their ratios. manifest.json has the values."
        )
    if mapping(results.manifest.get("machine")).get("virtual_machine"):
        yield (
            "This is a virtual machine: what others on the same host do shows as stolen time at best, and energy "
            "counters cannot be read."
        )
    yield (
        "The numbers are about this network on this machine with these versions. Latency includes Python's call into "
        "the engine, but not the conversion of the input to the mode's type."
    )


def warnings(results: Folder) -> Iterator[str]:
    """Say what must be known before anything is believed."""
    state = str(results.manifest.get("state") or "finished")
    setups = results.experiment.setups()
    if state != "finished":
        planned = results.experiment.most_repeats * len(setups)
        most = "up to " if results.experiment.until is not None else ""
        yield f"This experiment is not complete ({visible(state)}): {len(results.runs)} of {most}{planned} runs ended."
