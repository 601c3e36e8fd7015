"""What a result folder holds besides the tables: its files, the manifest's keys, the arrays of single times.

The columns of raw_runs.csv and steps.csv are explained in `significand.results.records`, those of summary_stats and
comparisons in `significand.analysis.claims`, the keys of pareto.json in `significand.analysis.pareto_bootstrap`, those
of answer.json in `significand.answers.choose`.
"""

from significand.results.records import OPERATOR_COLUMNS, STEP_COLUMNS

FILES = {
    "report.html": "everything below as one page: open it in a browser, it needs no network",
    "raw_runs.csv": "every run, finished or failed: one line each",
    "summary_stats.csv": "every precision mode: means, intervals, ratios to the baseline",
    "summary_stats.json": "the same values",
    "comparisons.csv": "every mode against the baseline on every compared metric: estimate, interval, tests, verdict",
    "comparisons.json": "the same values",
    "pareto.json": "the frontier with its uncertainty",
    "answer.json": "which setup to ship, how sure that is, and what would decide where nothing is decided",
    "accuracy_vs_latency.png": "training accuracy, or the score in its place, against latency",
    "accuracy_vs_energy.png": "the same against energy",
    "accuracy_vs_memory.png": "the same against peak memory",
    "pareto_frontier.png": "the frontier of latency and that score",
    "ratio_vs_batch_size.png": "ratio of the latency to the baseline's against batch size, where there are several",
    "ratio_vs_threads.png": "the same against threads, where there are several",
    "steps.csv": "every measured epoch and latency round, every attempt at it",
    "operators.csv": "what each operator of the first repeat's networks computes in, and the time it takes",
    "examples.csv": "every mode against the baseline on the same held-out examples: answers lost, gained and changed",
    "examples.npz": "the scores behind that: one per setup, repeat and held-out example",
    "journal.jsonl": "every run as it ended, on the disk before the next began; what `--resume` goes on from",
    "manifest.json": "what was asked for, and where and when it was measured",
    "details": "folder: the single times behind each finished run, one .npz each",
    "networks": "folder: with --keep-networks, the very files that were measured, each named as its run",
    "history": "folder: results of earlier experiments here, each in a folder named by when it was put aside",
}
"""By name, what each file and folder of a result folder is; ``.significand.lock`` is empty."""

FLEET_FILES = {
    "report.html": "everything below as one page: the answer by kind of host, host by host, and when what ran where",
    "hosts": "folder: an ordinary result folder for each host, with what that host measured",
    "fleet.json": "what was asked for, and which block ran on which host and when; written while blocks run, too",
    "experiment.zip": "what the experiment needs on a host: what it is, its data and the network's own files",
    "block_data": "folder, where there are such: data of more than 64 MB, which hosts must see at the same path",
    "hosts.csv": "every host: its machine, what it measured and when",
    "host_ratios.csv": "every host's ratios to the baseline, and what the hosts of a kind show together",
    "host_ratios.json": "the same values",
    "raw_runs.csv": "every run of every host: `host`, then the columns of a host's own raw_runs.csv",
    "summary_stats.csv": "every host and setup: means and intervals, never over hosts",
    "summary_stats.json": "the same values",
    "ratio_by_host.png": "ratio of the latency to the baseline's, host by host and kind by kind",
}
"""By name, what each file and folder of an experiment on several hosts is."""

FLEET_KEYS = {
    "schema_version": ("version of the file format", ""),
    "experiment_hash": ("SHA-256 of the experiment's fields", ""),
    "experiment": ("every field of the experiment; see options.md", ""),
    "hosts": (
        "each: every host does every repeat; share: repeats are dealt out; merged: put together by hand",
        "",
    ),
    "place": ("where blocks were sent to: a scheduler's address, slurm and what it is asked for, hand or merge", ""),
    "state": ("running, finished, interrupted or failed", ""),
    "machine": ("the submitting machine, and other keys that are in manifest.json, too", ""),
    "updated_utc": ("when the file was written", "UTC"),
    "machines": ("what is known of each host, with the keys below", ""),
    "machines.name": ("the host's name", ""),
    "machines.cpu": ("its processor's name", ""),
    "machines.unfit": ("what `significand doctor` found bad there, a line each", ""),
    "machines.clock_offset_s": (
        "how far its clock was ahead of the submitting machine's; null where not known",
        "s",
    ),
    "machines.note": ("what else to know, such as why it gets no more blocks", ""),
    "blocks": ("one entry per block and attempt, with the keys below", ""),
    "blocks.repeat": ("index of the repeat, from 0", ""),
    "blocks.host": ("name of the host, from which that of its folder below hosts is made", ""),
    "blocks.attempt": ("how often this block had been tried, from 1", ""),
    "blocks.state": ("waiting, running, finished, lost (sent again) or failed (not any more)", ""),
    "blocks.submitted_utc": ("when it was sent, by the submitting machine's clock", "UTC"),
    "blocks.started_utc": ("when it started, by the same clock; of folders put together by the host's", "UTC"),
    "blocks.ended_utc": ("when it ended, by the same clock", "UTC"),
    "blocks.reason": ("why it was lost or failed", ""),
}
"""Keys of fleet.json: what each means, and its unit."""

MANIFEST_KEYS = {
    "schema_version": ("version of the file format", ""),
    "experiment_hash": ("SHA-256 of the experiment's fields", ""),
    "experiment": ("every field of the experiment as it was run, defaults filled in; see options.md", ""),
    "data_sha256": ("SHA-256 of samples and labels; null for synthetic data", ""),
    "machine.host": ("the machine's name", ""),
    "machine.cpu": ("the processor's name", ""),
    "machine.architecture": ("such as x86_64", ""),
    "machine.physical_cores": ("physical cores", ""),
    "machine.logical_cpus": ("logical CPUs", ""),
    "machine.available_cpus": ("logical CPUs that the program may use, by affinity and quota", ""),
    "machine.cpu_quota": ("CPUs' worth of time that the control group allows; null where not limited", "1"),
    "machine.instruction_sets": ("for which number formats the CPU has instructions", ""),
    "machine.virtual_machine": ("whether a hypervisor runs the machine", ""),
    "machine.frequency_governor": ("what governs the CPU's clock frequency", ""),
    "machine.turbo": ("whether the CPU may clock above what it can sustain", ""),
    "machine.clock_source": ("what the kernel reads the time from", ""),
    "machine.memory_mb": ("memory of the machine", "MB (10^6 bytes)"),
    "machine.os": ("operating system and kernel", ""),
    "machine.python": ("version of Python", ""),
    "machine.versions": ("by package, its version; null where it is not installed, nothing where it is optional", ""),
    "against": ("the environment that the setups are held against, where there is one, with the keys below", ""),
    "against.path": ("where it is", ""),
    "against.python": ("its version of Python", ""),
    "against.versions": ("by package, its version there, as in machine.versions", ""),
    "network": ("what a network that is no perceptron was found to be, and the hashes of its files", ""),
    "network_sources": ("hashes of these files by where they are: while all are the same, resuming runs none", ""),
    "functions_sha256": ("SHA-256 of functions given from Python: while they are the same, resuming runs none", ""),
    "method": ("how runs are measured, where that changes their numbers: of latency, and on which CPUs", ""),
    "energy_source": ("the energy counter that all runs take, or cpu-time for the estimate", ""),
    "state": ("running, finished, failed or interrupted", ""),
    "working_directory": ("where the command was given", ""),
    "git_revision": ("commit of that directory and whether its files were changed; null outside a checkout", ""),
    "overridden_environment": ("variables about threads and CPUs that the runs were started without, by name", ""),
    "started_utc": ("when it began", "UTC"),
    "idle_power_w": ("power of the idle machine, where idle_baseline_s asked for it", "W"),
    "idle_others_cpu_s": ("CPU time of other processes while that was measured", "s"),
    "resumed_utc": ("when it was gone on with, where it was", "UTC"),
    "allowed": (
        "what differed when it was resumed, as --allow permitted: field, value then, value now, and the session",
        "",
    ),
    "blocks_s": ("from the first repeat's start to the last one's end, in this session", "s"),
    "measured_s": ("of that, time in measured steps", "s"),
    "prepared_s": ("of that, time in steps that nobody times: data, warm-up, conversion, accuracy", "s"),
    "memory_mb": (
        "memory of all processes together, when the first repeat's runs were ready to infer (proportional set size)",
        "MB (10^6 bytes)",
    ),
    "groups": ("how repeats were cut where not all of their runs could live at once, and why; else empty", ""),
    "ended_utc": ("when it ended", "UTC"),
    "elapsed_s": ("from the plan to the last file, in this session", "s"),
    "finished_runs": ("runs that came to their end", ""),
    "failed_runs": ("runs that did not", ""),
}
"""Keys of manifest.json, those inside ``machine`` with a dot: what each means, and its unit. What could not be read is
null."""

OF_A_RUN = ("repeat", "precision_mode", "setup")
"""Columns that are of the run, and no arrays."""

DETAIL_ARRAYS = {
    "epoch_time_s": ("time of each epoch that counts; shape (epochs,)", "s"),
    "epoch_loss": ("mean loss of each epoch; shape (epochs,)", "1"),
    "test_score": ("score of each held-out example, or one for all of them; shape (examples,)", "1"),
    "test_example": (
        "row of each in the data that they are drawn from, from 0; empty with one score for all; shape (examples,)",
        "",
    ),
    "test_answer": ("class that was answered; empty where a network gives no classes; shape (examples,)", ""),
    "call_latency_s": ("time of a call on one batch in each timing; shape (timings,)", "s"),
    "call_round": ("latency round that each timing belongs to, from 0; shape (timings,)", ""),
} | {
    f"{what}_{name}": (f"{name} of {what}s.csv; shape ({shape},)", unit)
    for what, shape, columns in (("step", "measurements", STEP_COLUMNS), ("operator", "operators", OPERATOR_COLUMNS))
    for name, (_, unit) in columns.items()
    if name not in OF_A_RUN
}
"""Arrays of ``details/<run>.npz``: what each is, and its unit. A failed run has those of its steps at most."""

EXAMPLE_ARRAYS = {
    "setup_name": ("names of the setups; shape (setups,)", ""),
    "setup": ("which of these each score is of, from 0; shape (scores,)", ""),
    "repeat": ("index of the repeat, from 0; shape (scores,)", ""),
    "example": ("row of the example in the data that it is drawn from, from 0; shape (scores,)", ""),
    "score": ("score of that example; shape (scores,)", "the score's"),
    "answer": ("class that was answered; -1 where a network gives no classes; shape (scores,)", ""),
}
"""Arrays of ``examples.npz``: what each is, and its unit."""
