"""Behaviour of all views of a score that is no accuracy, and of inputs that are made up."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from made_up_results import STARTED, made_up_folder, made_up_runs
from significand.answers.compare import compare_folders
from significand.answers.folder import Folder, read_folder
from significand.answers.history import read_history
from significand.plan.metrics import SCORES
from significand.present.page.prepared import contents_of
from significand.present.page.setup_table import change
from significand.present.page.tradeoff import tradeoffs
from significand.present.plots.figures import pareto_figure, tradeoff_figure
from significand.present.rows import quality_of
from significand.present.terminal.compare_view import compare_markdown, compare_view, history_view
from significand.present.terminal.grid_paper import published
from significand.present.terminal.paper import paper_table
from significand.present.terminal.tables import summary_view
from significand.present.words.answer import answer
from significand.present.words.network import MADE_UP
from significand.results.records import Run

SIZES = {"R²": 1.0, "score": -1500.0, "agreement R²": 1.0}
"""By kinds that are no share, how large a score is in these tests."""


def shown(view: RenderableType, width: int = 120) -> str:
    """Print into a text, as into a pipe."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def with_score(run: Run, size: float, *, trained: bool, better: float) -> Run:
    """Return a run with a score near `size`, from 0.9 to 1.1 of it, and without training where there was none."""
    score = size * (0.9 + 0.1 * (run.repeat % 3)) + abs(size) * better
    if trained:
        return replace(run, final_train_accuracy=score, test_accuracy=score)
    nothing = {"final_train_accuracy": math.nan, "train_time_per_epoch_s": math.nan, "energy_per_epoch_j": math.nan}
    return replace(run, test_accuracy=score, **nothing)  # type: ignore[arg-type]  # fields by name


def scored_folder(
    folder: Path,
    kind: str,
    *,
    trained: bool = True,
    better: float = 0.0,
    made_up: bool = False,
    started_utc: str = STARTED,
) -> Folder:
    """Write and read a folder of float32 and int8 with that kind of score, a share of 0.9 where it is one."""
    size = SIZES.get(kind, 0.9)
    runs = [*made_up_runs(1, n=3), *made_up_runs(2, n=3, mode="int8")]
    scored = [with_score(run, size, trained=trained, better=better) for run in runs]
    objectives = {} if trained else {"objectives": ["latency", "test_accuracy"]}
    network = {"score": kind, "made_up": made_up, "notes": []}
    return read_folder(made_up_folder(folder, scored, experiment=objectives, network=network, started_utc=started_utc))


@pytest.mark.parametrize(
    ("kind", "heading"), [("accuracy", "accuracy %"), ("R²", "R²"), ("score", "score"), ("agreement", "agreement %")]
)
def test_the_table_calls_the_score_what_it_is(tmp_path: Path, kind: str, heading: str) -> None:
    """The column has the kind's name, and the unit only where it is a share; so has the line of a narrow console."""
    view = summary_view(scored_folder(tmp_path / "r", kind).rows)
    first, second = shown(view).splitlines()[:2]
    assert f" {heading}  " in first
    assert "train, test" in second
    assert f"test {SCORES[kind].noun}" in " ".join(shown(view, width=50).split())
    if kind == "score":
        assert " -1500±" in shown(view)


@pytest.mark.parametrize("kind", SIZES)
def test_a_score_that_is_no_share_is_not_clipped(tmp_path: Path, kind: str) -> None:
    """Neither bars, boxes, nor axes end at 0 or 1; the axis has no unit and is linear; so also on the page."""
    results = scored_folder(tmp_path / "r", kind)
    size = SIZES[kind]
    prepared = pareto_figure(results.rows)
    assert "%" not in prepared.y.label
    assert not prepared.y.is_log
    (bar, box) = (prepared.points[0].y_bar, prepared.points[0].y_box)
    assert bar
    assert box
    assert max(map(abs, box)) > 1.2 * abs(size)
    assert prepared.y.low < min(box) < min(bar) < size < max(bar) < max(box) < prepared.y.high
    contents = contents_of(results)
    pairs = tradeoffs(contents.setups, contents.metrics)
    pair = next(one for one in pairs if (one.cost, one.accuracy) == ("latency", "accuracy"))
    assert pair.y.label == prepared.y.label
    assert pair.points[0].y_box == pytest.approx(box)
    assert contents.metrics["accuracy"].titled == contents.metrics["accuracy"].title


@pytest.mark.parametrize(
    ("kind", "trained", "label"),
    [
        ("accuracy", True, "Training accuracy (%)"),
        ("accuracy", False, "Test accuracy (%)"),
        ("R²", True, "Training R²"),
        ("R²", False, "Test R²"),
        ("score", False, "Test score"),
        ("agreement", False, "Agreement with the unquantised network (%)"),
        ("agreement R²", False, "Agreement with the unquantised network, R²"),
    ],
)
def test_plots_say_which_score_they_show(tmp_path: Path, kind: str, label: str, *, trained: bool) -> None:
    """Of training where there was any, else the held-out one; and why there is no energy without training."""
    rows = scored_folder(tmp_path / "r", kind, trained=trained).rows
    assert quality_of(rows) == ("accuracy" if trained else "test_accuracy")
    for prepared in (pareto_figure(rows), tradeoff_figure(rows, "memory")):
        assert prepared.y.label == label
        assert len(prepared.points) == 2
    energy = tradeoff_figure(rows, "energy")
    assert energy.message == ("" if trained else "Nothing was trained: there is no energy per epoch")


def test_the_frontier_of_what_is_only_inferred_has_its_probabilities(tmp_path: Path) -> None:
    """Those of latency and the held-out score, beside the points and among the rows."""
    results = scored_folder(tmp_path / "r", "agreement", trained=False)
    assert results.claims.frontier is not None
    likely = results.claims.frontier.p_on_frontier.tolist()
    assert [row["p_on_pareto_frontier"] for row in results.rows] == likely
    assert any(row["on_pareto_frontier"] for row in results.rows)
    assert ", P " in pareto_figure(results.rows).points[0].label


@pytest.mark.parametrize(
    ("kind", "trained", "noun"),
    [
        ("accuracy", True, "test accuracy"),
        ("accuracy", False, "test accuracy"),
        ("R²", True, "test R²"),
        ("score", False, "test score"),
        ("agreement", False, "agreement"),
    ],
)
def test_sentences_use_the_noun(tmp_path: Path, kind: str, noun: str, *, trained: bool) -> None:
    """Of comparisons and of the frontier; no column's name, and points only where it is a share."""
    text = " ".join(map(str, answer(scored_folder(tmp_path / "r", kind, trained=trained))))
    assert f"the same {noun}, identical in all 3 pairs" in text
    assert f"On the Pareto frontier of latency and {noun} with probability" in text
    assert "_" not in text


def test_a_table_for_a_paper_has_the_kind_and_no_empty_parentheses(tmp_path: Path) -> None:
    """In LaTeX and in Markdown; the caption says what it is."""
    results = scored_folder(tmp_path / "r", "R²")
    assert ("Test R²", "") in paper_table(results).headings
    assert "| Training R² | Test R² |" in published(results, as_latex=False)
    latex = published(results, as_latex=True)
    assert r"R\textsuperscript{2}" in latex
    assert "()" not in latex
    assert "the share of the targets' variance" in latex


def test_two_folders_are_compared_in_the_score_s_own_unit(tmp_path: Path) -> None:
    """A difference of 30 is written as that, in table, Markdown and page, and a margin is in the same unit."""
    old = scored_folder(tmp_path / "old", "score").path
    new = scored_folder(tmp_path / "new", "score", better=0.02).path
    result = compare_folders(old, new, metrics=["test_accuracy"], accuracy_margin=5)
    text = " ".join(shown(compare_view(result)).split())
    assert "test score" in text
    assert "+30" in text
    assert "points" not in text
    assert "differences in score" in text
    assert "Margin: score 5." in text
    assert "test score 30 higher than OLD" in compare_markdown(result)
    assert change(result.comparisons[0]) == ("+30",)


def test_only_what_there_is_a_value_of_is_compared_by_default(tmp_path: Path) -> None:
    """Two networks that were only inferred have nothing of training to compare."""
    old, new = (scored_folder(tmp_path / name, "agreement", trained=False).path for name in ("old", "new"))
    metrics = dict.fromkeys(one.metric for one in compare_folders(old, new).comparisons)
    assert list(metrics) == ["latency", "memory", "test_accuracy", "model_size"]


@pytest.mark.parametrize(
    ("kind", "told"), [("score", "300 higher"), ("R²", "0.2 higher"), ("agreement", "20.00 points")]
)
def test_a_history_is_in_the_score_s_own_unit(tmp_path: Path, kind: str, told: str) -> None:
    """A level that is a fifth higher, or 20 points, is found and written so."""
    folder = tmp_path / "results"
    for k in range(8):
        place = folder / "history" / f"r{k}" if k < 7 else folder
        better = (0.2 if kind != "agreement" else 0.2 / 0.9) * (k >= 4) - 0.2 * (kind == "agreement")
        scored = scored_folder(
            tmp_path / f"one{k}", kind, better=better, started_utc=f"2026-01-0{k + 1}T00:00:00+00:00"
        )
        place.mkdir(parents=True, exist_ok=True)
        for file in scored.path.iterdir():
            file.rename(place / file.name)
    text = shown(history_view(read_history(folder, metrics=["test_accuracy"])))
    noun = SCORES[kind].noun
    assert f"\n{noun if kind == 'agreement' else f'test {noun}'}{', %' if kind == 'agreement' else ''}\n" in text
    assert told in text
    assert "better" in text


def test_made_up_inputs_are_flagged_wherever_results_are_shown(tmp_path: Path) -> None:
    """Below the table, every picture and every chart; in the page's header; in a paper's notes; with old results."""
    results = scored_folder(tmp_path / "r", "agreement", trained=False, made_up=True)
    said = f"{MADE_UP.capitalize()}."
    assert said in shown(summary_view(results.rows))
    for figure in (pareto_figure(results.rows), tradeoff_figure(results.rows, "latency")):
        assert figure.footnote.startswith(MADE_UP)
    contents = contents_of(results)
    assert contents.subtitle.endswith(MADE_UP)
    assert said in contents.findings
    assert all(pair.caption.startswith(said) for pair in tradeoffs(contents.setups, contents.metrics))
    assert said in published(results, as_latex=True)
    assert said in published(results, as_latex=False)
    assert MADE_UP in shown(history_view(read_history(results.path)))
    other = scored_folder(tmp_path / "other", "agreement", trained=False, made_up=True)
    assert "NEW: the inputs are made up." in shown(compare_view(compare_folders(results.path, other.path)))


def test_real_inputs_are_not_flagged(tmp_path: Path) -> None:
    """Nor those of rows from a CSV, which holds truth as a text."""
    results = scored_folder(tmp_path / "r", "agreement", trained=False)
    rows = [{**row, "made_up_inputs": "False"} for row in results.rows]
    assert MADE_UP.capitalize() not in shown(summary_view(rows))
    assert MADE_UP not in pareto_figure(rows).footnote


def test_training_without_labels_keeps_its_columns(tmp_path: Path) -> None:
    """A network may learn without targets: then training takes time, and the score is the agreement."""
    folder = scored_folder(tmp_path / "r", "agreement")
    runs = [replace(run, final_train_accuracy=math.nan) for run in made_up_runs(1, n=3)]
    learnt = read_folder(made_up_folder(tmp_path / "s", runs, network=dict(folder.network)))
    first, second = shown(summary_view(learnt.rows)).splitlines()[:2]
    assert "training" in first
    assert "train, test" not in second
