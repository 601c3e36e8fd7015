"""Behaviour of one experiment in one folder: its files, and going on after an interruption."""

import csv
import json
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from conftest import SMALL
from made_up_counter import SteadyCounter
from made_up_grids import grid_results
from made_up_jobs import LEFT, interrupt_at, interrupted, manifest, scores
from made_up_place import MadeUpPlace, made_to_fail
from made_up_results import read_runs
from significand.job import (
    ExperimentInterrupted,
    Outcome,
    ResultsLostError,
    default_output_dir,
    run_experiment_in,
    write_plots,
)
from significand.meters.counters import EnergyPlan
from significand.meters.machine import available_cpus, describe_machine
from significand.plan.problems import PlanError
from significand.present.page import ReportError
from significand.present.plots.write import PlotError, one_artist
from significand.results.contents import FILES
from significand.results.journal import JOURNAL, read_journal
from significand.results.lock import LOCK
from significand.results.read import read_details, read_json_object
from significand.results.records import METHOD, Progress
from significand.results.store import DETAILS, MANIFEST, NEXT, PLOTS, REPORT, RESULTS, RunDirectory
from significand.runner.block import Block, Timing
from significand.runner.launched import RunnerError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]


@pytest.mark.usefixtures("instant")
def test_pictures_that_cannot_be_drawn_cost_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number and the report are written, and the outcome says why there are no pictures."""

    def fail(*_: object) -> NoReturn:
        raise PlotError("the pictures (PNG) could not be drawn (no ink)")

    monkeypatch.setattr("significand.present.plots.write.save_tradeoff_plots", fail)
    outcome = run_experiment_in(tmp_path, SMALL)
    assert outcome.report_missing == (
        "the pictures (PNG) could not be drawn (no ink), and draw them with --resume, which measures nothing again"
    )
    assert outcome.report == tmp_path / REPORT
    assert {path.name for path in tmp_path.iterdir()} == LEFT - set(PLOTS)
    assert manifest(tmp_path)["state"] == "finished"


@pytest.mark.usefixtures("instant")
def test_a_removed_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs nothing where the output folder is absolute; where none is given, one error says what to do."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    run_experiment_in(tmp_path / "out", SMALL)
    assert manifest(tmp_path / "out")["working_directory"] is None
    assert manifest(tmp_path / "out")["git_revision"] is None
    with pytest.raises(PlanError, match="working directory was removed; give an absolute folder"):
        run_experiment_in(None, SMALL)


def refusal(folder: Path, fields: Mapping[str, object]) -> Sequence[str]:
    """Resume, be refused, and return why; nothing in the folder changes."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(PlanError) as caught:
        run_experiment_in(folder, fields, resume=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return caught.value.problems


def test_ratios_are_plotted_where_their_axis_varies(tmp_path: Path) -> None:
    """Every plot is one that the next experiment in the folder puts aside, and that the docs explain."""
    cases: list[tuple[tuple[int, ...], tuple[int, ...], set[str]]] = [
        ((1, 8), (1,), {"ratio_vs_batch_size.png"}),
        ((8,), (1,), set()),
        ((1,), (1, 2), {"ratio_vs_threads.png"}),
    ]
    with one_artist():
        for number, (sizes, threads, ratios) in enumerate(cases):
            folder = tmp_path / str(number)
            assert write_plots(grid_results(folder, batch_size=sizes, threads=threads)) == ""
            plots = {path.name for path in folder.glob("*.png")}
            assert plots == {name for name in PLOTS if not name.startswith("ratio_")} | ratios
            assert plots <= FILES.keys()


def test_when_every_run_fails_the_files_still_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed runs are rows with a reason; their mode's numbers are missing, never 0."""
    monkeypatch.setattr("significand.job.Here", partial(MadeUpPlace, make=made_to_fail(reason="diverged: far")))
    outcome = run_experiment_in(tmp_path, SMALL | {"repeats": 1})
    assert len(outcome.failed) == 2
    assert all(row["failed_runs"] == 1 and row["repeats"] == 0 for row in outcome.rows)
    assert all(math.isnan(row["latency_mean"]) for row in outcome.rows)  # type: ignore[arg-type]
    assert all(run.reason.startswith("diverged") for run in read_runs(tmp_path / "raw_runs.csv"))
    of_grids = {name for name in RESULTS if name.startswith("ratio_vs_")}
    assert {path.name for path in tmp_path.iterdir()} == LEFT - of_grids


def test_the_default_folder_is_in_the_repository(tmp_path: Path) -> None:
    """It is benchmarks/statistical below the nearest folder with .git or pyproject.toml, else below the start."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert default_output_dir(deep) == deep / "benchmarks" / "statistical"
    (tmp_path / "a" / "pyproject.toml").touch()
    assert default_output_dir(deep) == tmp_path / "a" / "benchmarks" / "statistical"
    (deep / ".git").mkdir()
    assert default_output_dir(deep) == deep / "benchmarks" / "statistical"


@pytest.mark.usefixtures("instant")
@pytest.mark.parametrize("after", range(4))
def test_a_resumed_experiment_has_the_rows_of_an_uninterrupted_one(after: int, tmp_path: Path) -> None:
    """Interrupted after any number of runs, it ends with the same runs and summary; sessions tell them apart."""
    whole = run_experiment_in(tmp_path / "whole", SMALL)
    interrupted(tmp_path / "parts", after)
    resumed = run_experiment_in(tmp_path / "parts", SMALL, resume=True)
    assert scores(tmp_path / "parts") == scores(tmp_path / "whole")
    assert [run.session for run in resumed.runs] == after * [0] + (4 - after) * [1]
    assert [run.session for run in whole.runs] == 4 * [0]
    assert repr(resumed.rows) == repr(whole.rows)
    for name in ("summary_stats.csv", "summary_stats.json", "steps.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {path.name for path in (tmp_path / "parts").iterdir()} == LEFT
    assert manifest(tmp_path / "parts")["experiment_hash"] == manifest(tmp_path / "whole")["experiment_hash"]
    assert manifest(tmp_path / "parts")["state"] == "finished"


@pytest.mark.usefixtures("instant")
def test_every_interruption_begins_another_session(tmp_path: Path) -> None:
    """Interrupted after every run, the sessions of the rows count up."""
    interrupted(tmp_path)
    for ended in (2, 3):
        with pytest.raises(ExperimentInterrupted):
            run_experiment_in(tmp_path, SMALL, interrupt_at(ended), resume=True)
    outcome = run_experiment_in(tmp_path, SMALL, resume=True)
    assert [run.session for run in outcome.runs] == [0, 1, 2, 3]


@pytest.mark.usefixtures("instant")
def test_flags_left_out_are_those_of_the_interrupted_experiment(tmp_path: Path) -> None:
    """Resumed without any field, the experiment is the one in the journal."""
    interrupted(tmp_path, seed=99, label_column=None)
    outcome = run_experiment_in(tmp_path, {}, resume=True)
    assert sorted({run.seed for run in outcome.runs}) == [99, 100]
    assert manifest(tmp_path)["experiment"]["layer_sizes"] == [16, 32, 4]


@pytest.mark.usefixtures("instant")
@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("epochs", 3, "experiment.epochs: 2 then, 3 now"),
        ("repeats", 5, "experiment.repeats: 2 then, 5 now"),
        ("precision_modes", ["int8"], "experiment.precision_modes: ['float32', 'int8'] then, ['int8'] now"),
        ("learning_rate", 0.02, "experiment.learning_rate: 0.01 then, 0.02 now"),
    ],
)
def test_a_changed_field_is_refused(field: str, value: object, told: str, tmp_path: Path) -> None:
    """Another experiment is not mixed into the first: the field and both values are named, and a way out."""
    interrupted(tmp_path)
    problems = refusal(tmp_path, {field: value})
    assert problems[0] == f"resume: {told}"
    assert "start anew without resume" in problems[-1]
    assert len(problems) == 2 + (field == "precision_modes")  # another baseline follows from these


@pytest.mark.usefixtures("instant")
def test_changed_data_are_refused(tmp_path: Path) -> None:
    """The same file name with other content is other data."""
    path = tmp_path / "own.npz"
    x = np.arange(60.0).reshape(12, 5)
    np.savez(path, X=x, y=np.arange(12) % 3)
    changes: dict[str, object] = {"data": str(path), "layer_sizes": [5, 8, 3], "n_samples": None, "batch_size": 4}
    interrupted(tmp_path / "out", 1, **changes)
    np.savez(path, X=x + 1e-9, y=np.arange(12) % 3)
    (line, _) = refusal(tmp_path / "out", {})
    assert line.startswith("resume: data_sha256: '")
    np.savez(path, X=x, y=np.arange(12) % 3)
    assert not run_experiment_in(tmp_path / "out", {}, resume=True).failed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cpu": "Z80"}, "machine.cpu: .* then, 'Z80' now"),
        ({"memory_mb": 1.0}, r"machine.memory_mb: .* then, 1\.0 now"),
        ({"memory_mb": None}, "machine.memory_mb: .* then, nothing now"),
        ({"versions": {"torch": "0.1"}}, "machine.versions.torch: '.*' then, '0.1' now"),
    ],
    ids=["cpu", "memory", "memory unknown", "version"],
)
def test_another_machine_or_version_is_refused(
    change: dict[str, Any], told: str, tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """Runs of two machines or versions are not mixed: the fact and both values are named."""
    interrupted(tmp_path)
    here = describe_machine()
    if "versions" in change:
        change = {"versions": here["versions"] | change["versions"]}
    instant.setattr("significand.job.describe_machine", lambda **_: here | change)
    with pytest.raises(PlanError, match=told):
        run_experiment_in(tmp_path, SMALL, resume=True)


OWN_TABLE = {name: value for name, value in SMALL.items() if name not in {"layer_sizes", "activations", "n_samples"}}


@pytest.fixture
def own_table(tmp_path: Path) -> Path:
    """Return a table of five features and three classes, separated by semicolons, with decimal commas."""
    path = tmp_path / "own.csv"
    lines = [";".join([*(f"{at + column},5" for column in range(5)), "abc"[at % 3]]) for at in range(30)]
    path.write_text("\n".join(["v;w;x;y;z;kind", *lines]), encoding="utf-8")
    return path


@pytest.mark.usefixtures("instant")
def test_an_own_table_needs_no_layer_sizes(tmp_path: Path, own_table: Path) -> None:
    """Inputs and outputs follow from the table, and the whole network is what is kept; the same command resumes it."""
    fields = OWN_TABLE | {"data": str(own_table), "hidden": "8,6"}
    with pytest.raises(ExperimentInterrupted):
        run_experiment_in(tmp_path / "out", fields, interrupt_at(1))
    assert manifest(tmp_path / "out")["experiment"]["layer_sizes"] == [5, 8, 6, 3]
    assert not run_experiment_in(tmp_path / "out", fields, resume=True).failed
    assert not run_experiment_in(tmp_path / "out", {}, resume=True).failed
    assert refusal(tmp_path / "out", {"hidden": "8,7"})[0].startswith(
        "resume: experiment.layer_sizes: [5, 8, 6, 3] then"
    )


@pytest.mark.usefixtures("instant")
def test_an_experiment_of_before_tables_had_options_is_resumed(tmp_path: Path) -> None:
    """A journal that does not know how a table is read goes on as what it did."""
    interrupted(tmp_path)
    path = tmp_path / JOURNAL
    first, *others = path.read_text(encoding="utf-8").splitlines(keepends=True)
    facts = json.loads(first)
    for name in ("hidden", "separator", "header", "missing"):
        assert facts["experiment"].pop(name) is None
    path.write_text("".join([json.dumps(facts) + "\n", *others]), encoding="utf-8")
    assert not run_experiment_in(tmp_path, {}, resume=True).failed


@pytest.mark.usefixtures("instant")
def test_a_feature_that_some_repeat_cannot_hold_is_refused_before_anything_is_written(
    tmp_path: Path, own_table: Path
) -> None:
    """An outlier is refused with its column where any repeat of those planned would hold it out."""
    text = own_table.read_text(encoding="utf-8").replace("\n9,5;10,5", "\n9,5;10,5e300")
    own_table.write_text(text, encoding="utf-8")
    fields = OWN_TABLE | {"data": str(own_table), "repeats": 40}
    with pytest.raises(PlanError) as caught:
        run_experiment_in(tmp_path / "out", fields)
    (line,) = caught.value.problems
    assert line.startswith("data: column w has 1.05e+301 in sample 9 (counted from 0), held out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("instant")
def test_another_method_is_refused(tmp_path: Path) -> None:
    """Runs of two methods are not mixed; a journal that does not say its method is of the first one."""
    interrupted(tmp_path)
    assert manifest(tmp_path)["method"] == METHOD
    path = tmp_path / JOURNAL
    first, *others = path.read_text(encoding="utf-8").splitlines(keepends=True)
    facts = {name: value for name, value in json.loads(first).items() if name != "method"}
    path.write_text("".join([json.dumps(facts) + "\n", *others]), encoding="utf-8")
    latency, memory, placement, _ = refusal(tmp_path, {})
    assert memory.startswith("resume: method.memory: 'in the processes that are timed' then, ")
    assert latency == "resume: method.latency: 'median over rounds of means' then, 'median of calls' now"
    assert placement.startswith("resume: method.placement: 'left to the scheduler' then, 'a core per thread")


def test_another_energy_counter_is_refused(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Energies of two counters are not mixed: both are named."""
    interrupted(tmp_path)
    instant.setattr("significand.job.choose_counter", lambda watts_per_core: SteadyCounter())  # noqa: ARG005
    (line,) = refusal(tmp_path, {})
    assert line.startswith("resume: energy_source: '")
    assert "' then, 'made-up' now; if its runs may be mixed all the same, give --allow energy_source" in line


def test_runs_are_told_the_counter_and_the_idle_power(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Both are found out once, for all runs; the manifest has the power, and how busy others were meanwhile."""
    told: list[EnergyPlan] = []

    class Listening(MadeUpPlace):
        def run(self, blocks: Iterable[Block], *words: Any) -> Timing:  # noqa: ANN401 - handed on
            blocks = list(blocks)
            told[:] = {block.energy for block in blocks}
            return super().run(blocks, *words)

    instant.setattr("significand.job.Here", Listening)
    instant.setattr("significand.job.choose_counter", lambda watts_per_core: SteadyCounter())  # noqa: ARG005
    instant.setattr("significand.meters.counters.choose_counter", lambda watts_per_core: SteadyCounter())  # noqa: ARG005
    run_experiment_in(tmp_path / "idle", SMALL | {"idle_baseline_s": 0.1})
    assert told == [EnergyPlan(12.0, "made-up", 10.0)]
    assert manifest(tmp_path / "idle")["idle_power_w"] == 10.0
    assert "idle_others_cpu_s" in manifest(tmp_path / "idle")
    run_experiment_in(tmp_path / "plain", SMALL)
    assert told == [EnergyPlan(12.0, "made-up")]
    assert "idle_power_w" not in manifest(tmp_path / "plain")


@pytest.mark.usefixtures("instant")
def test_the_outcome_says_what_resuming_came_to(tmp_path: Path) -> None:
    """How many runs were there, or that there was nothing; without resuming there is nothing to say."""
    assert run_experiment_in(tmp_path / "plain", SMALL).note == ""
    begun = run_experiment_in(tmp_path / "new", SMALL, resume=True)
    assert begun.note == "there was nothing to go on with: the experiment began anew"
    interrupted(tmp_path / "parts")
    assert run_experiment_in(tmp_path / "parts", {}, resume=True).note == "1 of 4 runs were there already"
    again = run_experiment_in(tmp_path / "parts", {}, resume=True)
    assert again.note == "4 of 4 runs were there already: nothing was measured"


def test_memory_that_another_boot_left_is_the_same_machine(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """A reboot, as after a crash, may change the memory's size a little; that does not cost the experiment."""
    interrupted(tmp_path)
    here = describe_machine()
    instant.setattr(
        "significand.job.describe_machine", lambda **_: here | {"memory_mb": float(str(here["memory_mb"])) + 1}
    )
    assert len(run_experiment_in(tmp_path, SMALL, resume=True).runs) == 4


def test_a_finished_experiment_measures_nothing_again(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Resumed when all runs are there, only what follows from them is written again, and the times stay."""
    run_experiment_in(tmp_path, SMALL)
    table = (tmp_path / "raw_runs.csv").read_bytes()
    summary = (tmp_path / "summary_stats.csv").read_bytes()
    for name in ("summary_stats.csv", "pareto_frontier.png", MANIFEST):
        (tmp_path / name).unlink()
    instant.setattr("significand.job.Here", None)
    outcome = run_experiment_in(tmp_path, {}, resume=True)
    assert len(outcome.runs) == 4
    assert (tmp_path / "raw_runs.csv").read_bytes() == table
    assert (tmp_path / "summary_stats.csv").read_bytes() == summary
    assert manifest(tmp_path)["state"] == "finished"
    assert manifest(tmp_path)["started_utc"]
    assert {path.name for path in tmp_path.iterdir()} == LEFT


def test_failed_runs_are_not_measured_again(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """A run that failed has ended: resuming keeps its row, as an uninterrupted experiment would."""
    interrupted(tmp_path)
    (kept,) = read_journal(tmp_path / JOURNAL).runs
    text = (tmp_path / JOURNAL).read_text(encoding="ascii")
    (tmp_path / JOURNAL).write_text(text.replace('"status": "finished"', '"status": "failed"'), encoding="ascii")
    instant.setattr("significand.job.git_revision", lambda folder: None)  # noqa: ARG005
    outcome = run_experiment_in(tmp_path, {}, resume=True)
    assert [run.name for run in outcome.failed] == [kept.name]


@pytest.mark.usefixtures("instant")
def test_where_nothing_was_begun_a_given_experiment_begins(tmp_path: Path) -> None:
    """The same words always do: killed before anything was written, the experiment begins."""
    outcome = run_experiment_in(tmp_path / "new", SMALL, resume=True)
    assert [run.session for run in outcome.runs] == 4 * [0]


@pytest.mark.usefixtures("instant")
def test_without_a_journal_there_is_nothing_to_resume(tmp_path: Path) -> None:
    """Neither in a folder that is not there, where no experiment is given, nor beside results that have no journal."""
    (line,) = refusal(tmp_path / "missing", {})
    assert line.startswith(f"resume: '{tmp_path / 'missing' / JOURNAL}' cannot be read")
    assert "start one anew without resuming" in line
    assert not (tmp_path / "missing").exists()
    (tmp_path / "raw_runs.csv").write_text("seed\n1\n", encoding="utf-8")
    (line,) = refusal(tmp_path, SMALL)
    assert JOURNAL in line


@pytest.mark.usefixtures("instant")
def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    """A journal that another version of the format wrote is left to the program that wrote it."""
    interrupted(tmp_path)
    text = (tmp_path / JOURNAL).read_text(encoding="ascii")
    (tmp_path / JOURNAL).write_text(text.replace('"schema_version": ', '"schema_version": 9'), encoding="ascii")
    (line,) = refusal(tmp_path, {})
    assert "has schema version 9" in line
    assert "finish it with the version of significand that began it" in line


@pytest.mark.usefixtures("instant")
def test_a_folder_in_use_is_not_resumed(tmp_path: Path) -> None:
    """While another program has the folder, resuming is refused and changes nothing."""
    interrupted(tmp_path)
    with RunDirectory(tmp_path):
        (line,) = refusal(tmp_path, {})
    assert "in use by process" in line
    assert not (tmp_path / LOCK).exists()


def test_what_was_begun_while_it_waited_for_the_folder_is_looked_at_again(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """When another experiment took the folder between reading and locking it, resuming is refused."""
    interrupted(tmp_path)
    real = RunDirectory.__enter__

    def late(self: RunDirectory) -> RunDirectory:
        instant.setattr(RunDirectory, "__enter__", real)
        interrupted(tmp_path, seed=8)
        return real(self)

    instant.setattr(RunDirectory, "__enter__", late)
    with pytest.raises(PlanError, match=r"experiment\.seed: 8 then, 7 now"):
        run_experiment_in(tmp_path, SMALL, resume=True)


def test_processes_that_cannot_start_leave_earlier_results_where_they_are(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """When the runs' processes cannot be had, nothing was announced, archived or begun."""
    run_experiment_in(tmp_path, SMALL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    class Nowhere(MadeUpPlace):
        def run(self, *_: object) -> NoReturn:
            assert (tmp_path / NEXT).exists()
            raise RunnerError("no process")

    instant.setattr("significand.job.Here", Nowhere)
    with pytest.raises(RunnerError, match=r"^no process$"):
        run_experiment_in(tmp_path, SMALL)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("instant")
def test_processes_lost_for_good_say_that_runs_are_kept(tmp_path: Path) -> None:
    """When they cannot be had any more in the middle, the error names the kept runs and the way on."""

    def lose(progress: Progress) -> None:
        if progress.ended == 2:
            raise RunnerError("no process")

    with pytest.raises(RunnerError, match=r"no process; finished runs are kept in .*: go on with --resume"):
        run_experiment_in(tmp_path, SMALL, lose)
    assert manifest(tmp_path)["state"] == "failed"
    assert len(run_experiment_in(tmp_path, {}, resume=True).runs) == 4


@pytest.mark.parametrize("fields", [{}, {"until": "2%", "max_repeats": 12}])
def test_the_plan_in_the_folder_is_enough_to_go_on(
    fields: dict[str, object], tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """Resumed without any field, an experiment with `until` or without it is the one that was begun."""
    del instant
    before = run_experiment_in(tmp_path, SMALL | fields)
    assert len(run_experiment_in(tmp_path, {}, resume=True).runs) == len(before.runs)


@pytest.mark.usefixtures("instant")
def test_damaged_details_are_named(tmp_path: Path) -> None:
    """A damaged file of single times is named with the way on; after that the experiment ends."""
    interrupted(tmp_path)
    (path,) = (tmp_path / DETAILS).iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ResultsLostError, match=r"r000-float32\.npz' is damaged.* remove that file"):
        run_experiment_in(tmp_path, {}, resume=True)
    path.unlink()
    outcome = run_experiment_in(tmp_path, {}, resume=True)
    assert isinstance(outcome, Outcome)
    assert read_details(path) == {}
    assert read_json_object(tmp_path / MANIFEST)["state"] == "finished"


def test_an_experiment_goes_on_until_its_intervals_are_narrow_enough(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """With `until` repeats go on until the first that reaches the target, and how many it takes is said ahead."""
    del instant
    notes: list[str] = []
    outcome = run_experiment_in(
        tmp_path, SMALL | {"until": "2%", "max_repeats": 60}, lambda progress: notes.append(progress.note)
    )
    repeats = len(outcome.runs) // 2
    assert 10 <= repeats < 60
    assert outcome.reached is not None
    assert outcome.reached.is_reached
    assert 0 < outcome.reached.half_widths["int8"] <= 0.02
    assert {row["interval_method"] for row in outcome.rows} == {"sequential t"}
    assert not any(notes[: 2 * 5])  # nothing is said ahead of five repeats
    assert any("repeats for ±2 %" in note for note in notes[2 * 5 :])


def test_a_target_missed_ends_at_the_most_repeats(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """When the intervals stay too wide the experiment ends at max_repeats, and says which were missed."""
    del instant
    outcome = run_experiment_in(tmp_path, SMALL | {"until": 0.001, "max_repeats": 12})
    assert len(outcome.runs) == 2 * 12
    assert outcome.reached is not None
    assert list(outcome.reached.missed) == ["int8"]


def test_no_new_repeat_begins_after_the_time_is_up(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """With max_time_s the experiment ends after the fewest repeats where the time is over by then."""
    del instant
    outcome = run_experiment_in(tmp_path, SMALL | {"until": 0.001, "max_time_s": 1e-6})
    assert len(outcome.runs) == 2 * 10


def test_a_mode_that_always_fails_holds_the_others_up_for_ten_repeats_only(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """Its interval will never be known: the experiment ends when the others are narrow, and says what was missed."""
    instant.setattr("significand.job.Here", partial(MadeUpPlace, make=made_to_fail("float16")))
    notes: list[str] = []
    fields = SMALL | {"precision_modes": ["float32", "float16", "int8"], "until": "2%", "max_repeats": 60}
    outcome = run_experiment_in(tmp_path, fields, lambda progress: notes.append(progress.note))
    assert 10 <= len(outcome.runs) // 3 < 60
    assert outcome.reached is not None
    assert list(outcome.reached.missed) == ["float16"]
    assert any("repeats for ±2 %" in note for note in notes)


def test_a_forecast_beyond_the_most_repeats_says_so(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """When more repeats are needed than allowed, the note names both numbers."""
    del instant
    notes: list[str] = []
    run_experiment_in(
        tmp_path, SMALL | {"until": 0.001, "max_repeats": 12}, lambda progress: notes.append(progress.note)
    )
    assert notes[-1].endswith("repeats for ±0.1 %, more than max_repeats (12)")


def test_an_experiment_that_has_reached_its_target_is_not_gone_on_with(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """Resumed after its last run, it measures nothing more."""
    fields = SMALL | {"until": "2%", "max_repeats": 60}
    before = run_experiment_in(tmp_path, fields)
    instant.setattr("significand.job.Here", None)
    assert len(run_experiment_in(tmp_path, fields, resume=True).runs) == len(before.runs)


def test_comparisons_and_the_frontier_are_written(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """comparisons.csv and .json hold the same rows, pareto.json the probabilities; energy is shown but not judged."""
    del instant
    asked = {"repeats": 5, "margin": "20%", "objectives": ["latency", "accuracy"]}  # as the specified plot has them
    outcome = run_experiment_in(tmp_path, SMALL | asked)
    listed = json.loads((tmp_path / "comparisons.json").read_text(encoding="utf-8"))
    with (tmp_path / "comparisons.csv").open(encoding="utf-8", newline="") as file:
        assert [row["metric"] for row in csv.DictReader(file)] == [row["metric"] for row in listed]
    latency = next(row for row in listed if row["metric"] == "latency")
    assert (latency["precision_mode"], latency["baseline"], latency["verdict"]) == ("int8", "float32", "equivalent")
    assert next(row for row in listed if row["metric"] == "energy")["verdict"] == "not tested"
    frontier = json.loads((tmp_path / "pareto.json").read_text(encoding="utf-8"))
    assert [setup["setup"] for setup in frontier["setups"]] == ["float32", "int8"]
    assert all(0 <= setup["p_on_frontier"] <= 1 for setup in frontier["setups"])
    assert [row["p_on_pareto_frontier"] for row in outcome.rows] == [
        setup["p_on_frontier"] for setup in frontier["setups"]
    ]


@pytest.mark.usefixtures("instant")
def test_the_report_is_the_last_file(tmp_path: Path) -> None:
    """It is made from what the folder says at the end, and it moves to history with the results that it tells of."""
    outcome = run_experiment_in(tmp_path, SMALL)
    assert (outcome.report, outcome.report_missing) == (tmp_path / REPORT, "")
    assert (tmp_path / REPORT).read_text(encoding="utf-8") == "finished, 4 runs, 2 modes"
    assert all(path.stat().st_mtime_ns <= (tmp_path / REPORT).stat().st_mtime_ns for path in tmp_path.iterdir())
    archive = run_experiment_in(tmp_path, SMALL).archive
    assert archive is not None
    assert {path.name for path in archive.iterdir()} == LEFT


@pytest.mark.usefixtures("instant")
def test_an_interrupted_experiment_has_a_report_of_what_there_is(tmp_path: Path) -> None:
    """After Ctrl-C the report tells of the runs that are kept; gone on with, it tells of all."""
    interrupted(tmp_path, 2)
    assert (tmp_path / REPORT).read_text(encoding="utf-8") == "interrupted, 2 runs, 2 modes"
    run_experiment_in(tmp_path, {}, resume=True)
    assert (tmp_path / REPORT).read_text(encoding="utf-8") == "finished, 4 runs, 2 modes"


def test_a_report_that_cannot_be_made_costs_nothing(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Every other file is there, the experiment is finished, and the outcome says why there is no report."""

    def cannot(*_: object) -> NoReturn:
        raise ReportError("no ink; give more")

    instant.setattr("significand.job.write_report", cannot)
    outcome = run_experiment_in(tmp_path, SMALL)
    assert (outcome.report, outcome.report_missing) == (None, "no ink; give more")
    assert len(outcome.runs) == 4
    assert {path.name for path in tmp_path.iterdir()} == LEFT - {REPORT}
    assert manifest(tmp_path)["state"] == "finished"


def test_an_interrupt_while_the_report_is_made(tmp_path: Path, instant: pytest.MonkeyPatch) -> None:
    """Ctrl-C then is told as any other, every run is kept, and resuming measures nothing and makes the report."""

    def press(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with instant.context() as patch:
        patch.setattr("significand.job.write_report", press)
        with pytest.raises(ExperimentInterrupted, match="4 of 4 runs finished and kept"):
            run_experiment_in(tmp_path, SMALL)
    instant.setattr("significand.job.Here", None)
    assert run_experiment_in(tmp_path, {}, resume=True).report == tmp_path / REPORT


def test_no_report_is_written_into_a_folder_that_is_not_ours_any_more(
    tmp_path: Path, instant: pytest.MonkeyPatch
) -> None:
    """Where the lock is lost after the last number, what is there now is left alone, and that is told."""
    replace = Path.replace

    def lose(path: Path, target: Path) -> Path:
        replaced = replace(path, target)
        if target.name == MANIFEST and manifest(tmp_path)["state"] == "finished":
            (tmp_path / LOCK).unlink()
        return replaced

    instant.setattr(Path, "replace", lose)
    outcome = run_experiment_in(tmp_path, SMALL)
    assert outcome.report is None
    assert "removed or replaced" in outcome.report_missing
    assert not (tmp_path / REPORT).exists()


def test_estimated_energy_is_no_target(tmp_path: Path) -> None:
    """Where energy would be an estimate its interval cannot decide when to stop: refused before anything runs."""
    with pytest.raises(PlanError, match=r"until_metric: 'energy' would be an estimate .*leave it out.*doctor"):
        run_experiment_in(tmp_path / "out", SMALL | {"until": "1%", "until_metric": "energy"})
    assert not (tmp_path / "out").exists()


def test_estimated_energy_is_no_objective(tmp_path: Path) -> None:
    """Where energy would be an estimate it is refused as an objective, with the reason, before anything runs."""
    with pytest.raises(PlanError, match="restates CPU time"):
        run_experiment_in(tmp_path / "out", SMALL | {"objectives": ["latency", "energy"]})
    assert not (tmp_path / "out").exists()


def test_a_run_that_noise_ended_keeps_its_noise_and_steps(tmp_path: Path) -> None:
    """With on_noise fail the failed run has its noise columns, and its steps are in steps.csv."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.001):  # to wake up takes some CPU time, and the share allowed is next to nothing
            pass

    neighbour = threading.Thread(target=disturb)

    def begin(progress: Progress) -> None:
        if progress.ended == 0 and not neighbour.is_alive():
            neighbour.start()

    changes = {"on_noise": "fail", "noise_share": 1e-9, "remeasure_limit": 1, "remeasure_nice": 0}
    changes |= {"threads": available_cpus(), "latency_rounds": 20, "round_duration_s": 0.05}
    try:
        outcome = run_experiment_in(tmp_path, SMALL | changes | {"repeats": 1, "precision_modes": ["float32"]}, begin)
    finally:
        stop.set()
    (failed,) = read_runs(tmp_path / "raw_runs.csv")
    assert [run.name for run in outcome.failed] == [failed.name]
    assert failed.reason.startswith("disturbed: others took")
    assert (failed.disturbed_steps, failed.unknown_steps) == (1, 0)
    assert failed.steps >= 1
    assert failed.others_share > 0
    assert math.isnan(failed.final_train_accuracy)
    lines = list(csv.DictReader((tmp_path / "steps.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == failed.steps + failed.remeasured_steps
    assert [line["disturbed"] for line in lines][-2:] == ["true", "true"]
