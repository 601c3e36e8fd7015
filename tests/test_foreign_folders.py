"""Result folders that somebody else made: nothing outside is written, nothing is believed, and old ones are read."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import significand
from conftest import SMALL
from made_up_jobs import LEFT, interrupted, scores
from made_up_results import made_up_folder, made_up_runs
from significand.answers.folder import read_folder
from significand.cli import BAD_INPUT, DONE, SOME_RUN_FAILED, main
from significand.job import ResultsLostError, run_experiment_in
from significand.plan.problems import PlanError
from significand.present.page import report_html
from significand.results.comparable import ResultsError
from significand.results.journal import JOURNAL
from significand.results.lock import LOCK
from significand.results.store import DETAILS, HISTORY, MANIFEST, MOVING, NEXT, RAW_RUNS, REPORT, RESULTS, STAGED

pytestmark = pytest.mark.slow

no_time = pytest.mark.usefixtures("instant")

FOLDERS = Path(__file__).parent / "folders"
"""Real results of versions that wrote schema 1, 2 and 3; only the machine's name and its kernel are made up."""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a file, of which nothing may change."""
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "precious").write_text("precious", encoding="utf-8")
    yield folder
    assert (folder / "precious").read_text(encoding="utf-8") == "precious"
    assert sorted(path.name for path in folder.rglob("*")) == ["precious", "sub"]


def link(path: Path, outside: Path) -> None:
    """Put a link to somebody's file there."""
    path.symlink_to(outside / "precious")


def link_to_be_made(path: Path, outside: Path) -> None:
    """Put a link there whose target does not exist yet."""
    path.symlink_to(outside / "new")


def hard_link(path: Path, outside: Path) -> None:
    """Put another name of somebody's file there."""
    path.hardlink_to(outside / "precious")


def pipe(path: Path, outside: Path) -> None:
    """Put a pipe there that nobody reads."""
    del outside
    os.mkfifo(path)


def link_to_folder(path: Path, outside: Path) -> None:
    """Put a link to somebody's folder there."""
    path.symlink_to(outside / "sub")


Put = Callable[[Path, Path], None]
PUTS: tuple[Put, ...] = (link, link_to_be_made, hard_link, pipe, link_to_folder)


@no_time
@pytest.mark.parametrize("put", PUTS)
@pytest.mark.parametrize("words", [["--resume"], ["--seed", "3"]], ids=["resumed", "anew"])
def test_a_lock_that_is_none_is_not_written(
    put: Put, words: list[str], tmp_path: Path, outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is refused in a line that names the lock and the remedy; what it leads to keeps its content."""
    interrupted(tmp_path / "out")
    put(tmp_path / "out" / LOCK, outside)
    assert main(["run", *words, f"--output-dir={tmp_path / 'out'}"]) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert LOCK in line
    assert "remove it, or give another folder" in line


OURS = {
    "what begins": [NEXT],
    "what is staged": list(STAGED.values()),
    "what is being written": [f".{RAW_RUNS}.0123abcd"],
    "journal": [JOURNAL],
    "manifest": [MANIFEST],
    "single times": [DETAILS],
    "all results": list(RESULTS),
}


@pytest.mark.slow
@no_time
@pytest.mark.parametrize("put", PUTS)
@pytest.mark.parametrize("names", OURS.values(), ids=OURS)
def test_a_new_experiment_writes_nothing_outside(names: Sequence[str], put: Put, tmp_path: Path, outside: Path) -> None:
    """Whatever stands in the place of files of ours is moved to history, or removed, as itself."""
    for name in names:
        put(tmp_path / name, outside)
    outcome = run_experiment_in(tmp_path, SMALL)
    assert len(scores(tmp_path)) == 4
    assert not any((tmp_path / result).is_symlink() for result in RESULTS)
    for name in set(names) & set(RESULTS):
        assert outcome.archive is not None
        assert os.path.lexists(outcome.archive / name)


@no_time
@pytest.mark.parametrize("name", [HISTORY, f"{HISTORY}/{MOVING}"])
def test_earlier_results_move_to_no_other_folder(name: str, tmp_path: Path, outside: Path) -> None:
    """A history that leads elsewhere is refused, and earlier results stay where they are."""
    out = tmp_path / "out"
    run_experiment_in(out, SMALL)
    (out / name).parent.mkdir(exist_ok=True)
    link_to_folder(out / name, outside)
    with pytest.raises(PlanError, match=r"is a link where a folder should be; remove it, or give another folder"):
        run_experiment_in(out, SMALL)
    assert {path.name for path in out.iterdir()} - {HISTORY} == LEFT


@no_time
@pytest.mark.parametrize(
    ("name", "put"),
    [(JOURNAL, link), (JOURNAL, hard_link), (JOURNAL, pipe), (DETAILS, link_to_folder), (DETAILS, link)],
)
def test_resuming_appends_to_nothing_outside(name: str, put: Put, tmp_path: Path, outside: Path) -> None:
    """A journal or a folder of single times that leads elsewhere is refused before anything is written."""
    out = tmp_path / "out"
    interrupted(out)
    path = out / name
    if name == JOURNAL and put is not pipe:
        path.replace(outside / "precious")
    else:
        path.rename(tmp_path / "aside")
    put(path, outside)
    before = (outside / "precious").read_bytes()
    with pytest.raises(PlanError, match=r"is a (link|pipe)|has another name"):
        run_experiment_in(out, {}, resume=True)
    assert (outside / "precious").read_bytes() == before
    (outside / "precious").write_text("precious", encoding="utf-8")


@no_time
def test_single_times_put_elsewhere_in_the_middle_are_noticed(tmp_path: Path, outside: Path) -> None:
    """Before each run is kept its folder is looked at again."""
    out = tmp_path / "out"

    def put(*_: object) -> None:
        if (out / DETAILS).is_dir() and not (out / DETAILS).is_symlink():
            (out / DETAILS).rename(tmp_path / "aside")
            link_to_folder(out / DETAILS, outside)

    with pytest.raises(ResultsLostError, match=r"details is a link where a folder .*: remove it, and go on with"):
        run_experiment_in(out, SMALL, put)


def test_a_report_replaces_a_link(tmp_path: Path, outside: Path) -> None:
    """report.html becomes a page; what a link of that name led to stays."""
    folder = made_up_folder(tmp_path / "a", made_up_runs(1))
    link(folder / REPORT, outside)
    assert main(["report", str(folder)]) == DONE
    assert not (folder / REPORT).is_symlink()


def test_a_report_holds_nothing_that_a_link_leads_to(tmp_path: Path, outside: Path) -> None:
    """A page may be passed on: tables inside it are the folder's own, and a pipe in their place is not waited for."""
    folder = made_up_folder(tmp_path / "a", made_up_runs(1))
    link(folder / "summary_stats.csv", outside)
    os.mkfifo(folder / "comparisons.csv")
    assert "cHJlY2lvdXM" not in report_html(read_folder(folder))  # "precious" in base64


WRONG: Mapping[str, object] = {
    "experiment.baseline": "float16",
    "experiment.objectives": 5,
    "experiment.margin": -1,
    "experiment.layer_sizes": None,
    "experiment.engine": 5,
    "experiment.until": float("nan"),
    "experiment.precision_modes": "",
    "machine.memory_mb": 10**400,
    "machine.virtual_machine": [],
    "git_revision.dirty": {},
    "state": ["finished"],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_manifest_that_says_what_cannot_be_is_one_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every reader names file, field and value, and exits with 2."""
    good = made_up_folder(tmp_path / "good", made_up_runs(1))
    bad = made_up_folder(tmp_path / "bad", made_up_runs(2))
    with_fact(bad / MANIFEST, field)
    for words in (["table", bad], ["report", bad], ["compare", good, bad], ["compare", bad, good], ["history", bad]):
        assert main(list(map(str, words))) == BAD_INPUT
        line = capsys.readouterr().err.splitlines()[0]
        assert f"{MANIFEST}': {field}: " in line
        assert "correct it, or measure again" in line
    with pytest.raises(ResultsError, match=field):
        significand.load(bad)


@no_time
@pytest.mark.parametrize("field", [name for name in WRONG if name.startswith(("experiment", "machine"))])
def test_a_journal_that_says_what_cannot_be_is_one_line(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resuming names file, field and value, exits with 2, and leaves everything as it is."""
    interrupted(tmp_path)
    first, *runs = (tmp_path / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / JOURNAL).write_text(first, encoding="utf-8")
    with_fact(tmp_path / JOURNAL, field)
    with (tmp_path / JOURNAL).open("a", encoding="utf-8") as file:
        file.writelines(["\n", *runs])
    before = (tmp_path / JOURNAL).read_bytes()
    assert main(["run", "--resume", f"--output-dir={tmp_path}"]) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{JOURNAL}': {field}: " in line
    assert (tmp_path / JOURNAL).read_bytes() == before


def with_fact(path: Path, field: str) -> None:
    """Let a file say what cannot be of a field."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    holder, _, name = field.rpartition(".")
    (facts.setdefault(holder, {}) if holder else facts)[name] = WRONG[field]
    path.write_text(json.dumps(facts), encoding="utf-8")


@no_time
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("precision_mode", "../../elsewhere"),
        ("setup", "../../elsewhere"),
        ("repeat", "99"),
        ("seed", "12345"),
        ("session", str(2**63)),
        ("variant", "x"),
    ],
)
def test_a_journal_with_runs_of_another_experiment_is_refused(column: str, value: str, tmp_path: Path) -> None:
    """A mode, repeat or seed that the experiment does not have is damage, with the line."""
    interrupted(tmp_path)
    first, run = (tmp_path / JOURNAL).read_text(encoding="utf-8").splitlines()
    values = json.loads(run)["run"] | {column: value}
    (tmp_path / JOURNAL).write_text(f"{first}\n{json.dumps({'run': values})}\n", encoding="utf-8")
    with pytest.raises(PlanError, match=r"journal.jsonl' is damaged in line 2 \(.*start the experiment anew"):
        run_experiment_in(tmp_path, {}, resume=True)


@no_time
def test_a_manifest_cannot_contradict_the_journal(tmp_path: Path) -> None:
    """What the experiment is stands in the journal: resumed, the manifest says the same again."""
    interrupted(tmp_path)
    facts = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    right = facts["experiment"]
    facts |= {"experiment": right | {"epochs": 999}, "mine": 1}
    (tmp_path / MANIFEST).write_text(json.dumps(facts), encoding="utf-8")
    run_experiment_in(tmp_path, {}, resume=True)
    resumed = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    assert (resumed["experiment"], resumed["mine"]) == (right, 1)


@pytest.mark.parametrize("name", [MANIFEST, RAW_RUNS])
def test_files_of_any_size_are_refused_with_a_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file larger than the disk, a pipe and a folder are told in a line, and at once."""
    folder = made_up_folder(tmp_path / "a", made_up_runs(1))
    (folder / name).unlink()
    with (folder / name).open("wb") as file:
        file.truncate(10**13)
    assert main(["table", str(folder)]) == BAD_INPUT
    assert f"{name}' has 10000.0 GB, at most" in capsys.readouterr().err
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert main(["table", str(folder)]) == BAD_INPUT
    assert f"{name}' cannot be read (it is a pipe, not a file)" in capsys.readouterr().err
    (folder / name).unlink()
    (folder / name).mkdir()
    assert main(["table", str(folder)]) == BAD_INPUT
    assert f"{name}' cannot be read (it is a folder, not a file)" in capsys.readouterr().err


@no_time
def test_single_times_that_cannot_be_cost_a_note_or_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page leaves them out and says so; resuming names the file and what to do."""
    monkeypatch.setattr("significand.results.read.DETAILS_BYTES", 10**6)
    interrupted(tmp_path)
    (path,) = (tmp_path / DETAILS).iterdir()
    np.savez_compressed(path, call_latency_s=np.zeros(10**6))
    assert "it unpacks to 8 MB, at most 1 MB are read here" in report_html(read_folder(tmp_path))
    assert main(["run", "--resume", f"--output-dir={tmp_path}"]) == SOME_RUN_FAILED
    assert "it unpacks to 8 MB, at most 1 MB are read here; remove it" in capsys.readouterr().err


def test_single_times_outside_the_folder_are_not_looked_up(tmp_path: Path) -> None:
    """The name of a mode in a foreign table is no way out of the folder."""
    folder = made_up_folder(tmp_path / "a", made_up_runs(1, mode="/../../b", n=1))
    (folder / DETAILS / "r000-").mkdir(parents=True)
    np.savez(tmp_path / "b.npz", call_latency_s=np.ones(3))
    evidence = read_folder(folder)
    assert evidence.details(evidence.runs.names[0]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("schema", [1, 2, 3])
def test_real_folders_of_every_schema_are_read(schema: int, tmp_path: Path) -> None:
    """What earlier versions wrote gives its table, its report, its history and its frames."""
    folder = tmp_path / "old"
    shutil.copytree(FOLDERS / f"schema{schema}", folder)
    for words in (["table", "--latex"], ["table"], ["history"], ["report"]):
        assert main([*words, str(folder)]) == DONE
    assert len(significand.load(folder).runs) == 4
    with contextlib.suppress(ResultsError):
        assert main(["compare", str(folder), str(FOLDERS / "schema3")]) in {DONE, BAD_INPUT}


def test_results_of_another_machine_are_read(tmp_path: Path) -> None:
    """More threads than here, an engine, a data file and modes that are not here: nothing is in the way."""
    fields = {"threads": 4096, "engine": "somebody's", "data": "/gone/x.csv", "precision_modes": ["float32", "int2"]}
    folder = made_up_folder(tmp_path / "a", made_up_runs(1), experiment=fields, data_sha256="ab")
    for words in (["table"], ["table", "--markdown"], ["history"], ["report"]):
        assert main([*words, str(folder)]) == DONE
