import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_grids import full_grid, grid_experiment, grid_results, grid_runs
from significand.analysis.comparison import Comparison, Verdict
from significand.analysis.intervals import Estimate
from significand.answers.folder import Folder
from significand.plan.metrics import LATENCY
from significand.present.varying import Grid, grid_of
from significand.present.words.grid import (
    MOST_STORIES,
    cases_of,
    grid_lines,
    refused_lines,
    size_text,
    stories_of,
    story_lines,
)

SIZES = (1, 8, 32)
BETTER, WORSE, NONE, SAME, UNTESTED = "better", "worse", "no difference shown", "equivalent", "not tested"


def comparison(setup: str, verdict: str, ratio: float, half: float = 0.1, n: int = 5, reason: str = "") -> Comparison:
    """Return a comparison of latencies with a verdict, whether or not its numbers would give it."""
    bounds = (math.nan, math.nan) if n < 2 else (ratio - half * ratio, ratio + half * ratio)
    return Comparison(
        metric="latency",
        setup=setup,
        baseline="float32",
        scale="ratio",
        estimate=Estimate(ratio if n else math.nan, *bounds, "t", 0.95, n),
        paired=True,
        left_out=0,
        p_value=math.nan,
        p_adjusted=math.nan,
        p_equivalence=math.nan,
        verdict=verdict,  # type: ignore[arg-type]  # one of its words
        smallest_detectable=1.1,
        margin=0.02 if verdict == SAME else None,
        level=0.95,
        family=10,
        reason=reason,
    )


def rows_of(engines: tuple[str, ...], sizes: tuple[int, ...], threads: tuple[int, ...]) -> list[dict[str, object]]:
    """Return bare rows of float32 and int8 at every place."""
    return [
        {
            "setup": f"{mode}-{engine}-{size}-{count}",
            "ratio_baseline": f"float32-{engine}-{size}-{count}",
            "precision_mode": mode,
            "engine": engine,
            "batch_size": size,
            "threads": count,
            "repeats": 5,
        }
        for engine in engines
        for size in sizes
        for count in threads
        for mode in ("float32", "int8")
    ]


RATIOS = {BETTER: 0.7, WORSE: 1.3, NONE: 1.01, SAME: 1.0, UNTESTED: 1.0}


def told(rows: list[dict[str, object]], verdicts: list[str], **values: object) -> list[str]:
    """Return the sentences about latency where int8 has these verdicts, place by place."""
    grid = grid_of(rows)
    assert grid is not None
    names = [str(row["setup"]) for row in rows if row["precision_mode"] == "int8"]
    comparisons = [
        comparison(name, verdict, RATIOS[verdict], **values)  # type: ignore[arg-type]  # by name
        for name, verdict in zip(names, verdicts, strict=True)
    ]
    return [str(one) for one in story_lines(grid, rows, comparisons, MOST_STORIES)]


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ((NONE, BETTER, BETTER), "int8 pays from batch 8 on (1.4x [1.3, 1.6]); at batch 1 no difference is shown."),
        ((BETTER, BETTER, NONE), "int8 pays up to batch 8 (1.4x [1.3, 1.6]); at batch 32 no difference is shown."),
        ((NONE, BETTER, NONE), "int8 pays at batch 8 (1.4x [1.3, 1.6]); at batch 1 and 32 no difference is shown."),
        ((BETTER, NONE, BETTER), "int8 pays at batch 1 and 32 (1.4x [1.3, 1.6]); at batch 8 no difference is shown."),
        ((BETTER, BETTER, BETTER), "int8 pays everywhere (1.4x [1.3, 1.6])."),
        ((WORSE, WORSE, WORSE), "int8 pays nowhere: it is slower everywhere (1.3x [1.2, 1.4])."),
        ((NONE, NONE, NONE), "int8: no difference is shown anywhere."),
        ((SAME, SAME, SAME), "int8 is equivalent within 2 % everywhere."),
        (
            (WORSE, NONE, NONE),
            "int8 pays nowhere: at batch 1 it is slower (1.3x [1.2, 1.4]); from batch 8 on no difference is shown.",
        ),
        (
            (WORSE, SAME, BETTER),
            (
                "int8 pays at batch 32 (1.4x [1.3, 1.6]); at batch 1 it is slower (1.3x [1.2, 1.4]); at batch 8 it is "
                "equivalent within 2 %."
            ),
        ),
    ],
)
def test_it_is_told_where_a_precision_pays(verdicts: tuple[str, ...], sentence: str) -> None:
    """Neighbouring batch sizes with the same verdict are told together, what pays first."""
    assert told(rows_of(("onnxruntime",), SIZES, (1,)), list(verdicts)) == [sentence]


def test_engines_are_told_by_their_names() -> None:
    """Where engines alone vary."""
    rows = rows_of(("onnxruntime", "torch"), (8,), (1,))
    (line,) = told(rows, [BETTER, NONE])
    assert line == "int8 pays on onnxruntime (1.4x [1.3, 1.6]); on torch no difference is shown."


def test_one_axis_that_decides_is_enough() -> None:
    """Verdicts that follow the batch size alone are told once for all engines and threads."""
    rows = rows_of(("onnxruntime", "torch"), SIZES, (1, 2))
    (line,) = told(rows, [NONE, NONE, BETTER, BETTER, BETTER, BETTER] * 2)
    assert line.startswith("int8 pays from batch 8 on")


def test_what_one_axis_cannot_say_is_split_by_another() -> None:
    """A sentence for each engine, as few as there can be."""
    rows = rows_of(("onnxruntime", "torch"), SIZES, (1,))
    lines = told(rows, [NONE, BETTER, BETTER, NONE, NONE, WORSE])
    assert lines == [
        "int8 on onnxruntime pays from batch 8 on (1.4x [1.3, 1.6]); at batch 1 no difference is shown.",
        "int8 on torch pays nowhere: at batch 32 it is slower (1.3x [1.2, 1.4]); up to batch 8 no difference is shown.",
    ]


def test_too_many_sentences_become_numbers() -> None:
    """So that the answer of 48 setups fits a screen."""
    rows = rows_of(("a", "b"), SIZES, (1, 2))
    grid = grid_of(rows)
    assert grid is not None
    verdicts = [BETTER, NONE, NONE, BETTER, BETTER, NONE, NONE, NONE, BETTER, BETTER, WORSE, NONE]
    names = [str(row["setup"]) for row in rows if row["precision_mode"] == "int8"]
    found = [comparison(name, verdict, RATIOS[verdict]) for name, verdict in zip(names, verdicts, strict=True)]
    (line,) = map(str, story_lines(grid, rows, found, 1))
    assert line == (
        "int8 pays in 5 of 12 setups (1.4x [1.3, 1.6]); in 1 of 12 setups it is slower (1.3x [1.2, 1.4]); in 6 of 12 "
        "setups no difference is shown."
    )


def test_the_smallest_and_the_largest_effect_are_told() -> None:
    """With their intervals; no digit more than these support."""
    rows = rows_of(("onnxruntime",), (1, 8), (1,))
    grid = grid_of(rows)
    assert grid is not None
    found = [
        comparison("int8-onnxruntime-1-1", BETTER, 0.5, 0.02),
        comparison("int8-onnxruntime-8-1", BETTER, 0.8, 0.1),
    ]
    (line,) = map(str, story_lines(grid, rows, found, MOST_STORIES))
    assert line == "int8 pays everywhere (1.2x [1.1, 1.4] to 2.00x [1.96, 2.04])."


@pytest.mark.parametrize(
    ("n", "finished", "failed", "baseline", "words"),
    [
        (1, 1, 0, 1, "int8: not tested, a single repeat."),
        (0, 0, 5, 5, "int8: all runs failed."),
        (0, 0, 0, 5, "int8: not measured yet."),
        (0, 5, 0, 0, "int8: no finished run of float32 to compare with."),
        (0, 2, 3, 3, "int8: no repeat in which both finished."),
        (3, 3, 0, 3, "int8: not tested: the same ratio in all 3 pairs."),
    ],
)
def test_what_is_not_tested_says_why(n: int, finished: int, failed: int, baseline: int, words: str) -> None:
    """From counts and verdicts; nothing that was not tested is said to pay nowhere."""
    rows = rows_of(("onnxruntime",), (1, 8), (1,))
    for row in rows:
        is_own = row["precision_mode"] == "float32"
        row |= {"repeats": baseline if is_own else finished, "failed_runs": 0 if is_own else failed}
    (line,) = told(rows, [UNTESTED, UNTESTED], n=n, reason="the same ratio in all 3 pairs" if n == 3 else "whatever")
    assert line == words.replace(".", " everywhere.", 1)


def test_a_failed_setup_does_not_hide_the_others() -> None:
    """It is told beside them, and no longer that int8 pays nowhere."""
    rows = rows_of(("onnxruntime",), (1, 8), (1,))
    for row in rows[1:2]:
        row |= {"repeats": 0, "failed_runs": 5}
    grid = grid_of(rows)
    assert grid is not None
    found = [
        comparison("int8-onnxruntime-1-1", UNTESTED, math.nan, n=0),
        comparison("int8-onnxruntime-8-1", NONE, 1.01),
    ]
    (line,) = map(str, story_lines(grid, rows, found, MOST_STORIES))
    assert line == "int8: at batch 8 no difference is shown; at batch 1 all runs failed."


def test_what_exists_in_a_part_alone_is_not_everywhere() -> None:
    """int8, which torch does not run, pays on onnxruntime."""
    lines = lines_of(grid_results(batch_size=(8, 32), threads=1, precision_modes=("float32", "int8")))
    assert lines[1].startswith("int8 on onnxruntime pays everywhere (1.")


def test_another_baseline_is_the_other_side() -> None:
    """Where engines are compared, the engine is what pays or does not."""
    lines = lines_of(
        grid_results(batch_size=SIZES, threads=1, precision_modes=("float32",), baseline=["engine=onnxruntime"])
    )
    assert "than onnxruntime" in lines[0]
    assert lines[1].startswith("torch pays nowhere: it is slower everywhere (")


def test_without_a_comparison_that_is_said() -> None:
    """Where every setup is its own baseline, the remedy is named."""
    (line,) = lines_of(grid_results(engine="onnxruntime", threads=1, precision_modes=("float32",)))
    assert "--baseline" in line


def test_a_setup_without_its_baseline_is_named() -> None:
    """Torch does not run int8, so nothing on torch can be compared with it."""
    lines = lines_of(grid_results(threads=1, precision_modes=("float32", "int8"), baseline=["precision=int8"]))
    assert "Not compared, as int8 does not run there: float32 on torch." in lines


def test_lower_accuracy_is_told_beside_what_pays() -> None:
    """A gain is not told without its price."""
    lines = lines_of(full_grid())
    assert any(line.startswith("int8: test accuracy lower") for line in lines)


def test_the_answer_of_a_large_grid_is_short() -> None:
    """A first screen of 24 lines of 80 characters holds it."""
    lines = lines_of(full_grid())
    assert sum(-(-len(line) // 80) for line in lines) <= 16


def lines_of(results: Folder) -> list[str]:
    """Return the lines about comparisons."""
    grid = grid_of(results.rows)
    assert grid is not None
    return [str(one) for one in grid_lines(grid, results.rows, results.claims.comparisons)]


@given(st.lists(st.sampled_from((BETTER, WORSE, NONE, SAME, UNTESTED)), min_size=12, max_size=12))
def test_every_case_is_told_once(verdicts: list[Verdict]) -> None:
    """Whatever the verdicts: the stories hold every case, each in one clause of its own kind."""
    rows = rows_of(("a", "b"), SIZES, (1, 2))
    grid = grid_of(rows)
    assert isinstance(grid, Grid)
    names = [str(row["setup"]) for row in rows if row["precision_mode"] == "int8"]
    found = [comparison(name, verdict, RATIOS[verdict]) for name, verdict in zip(names, verdicts, strict=True)]
    cases = cases_of(grid, rows, found, LATENCY)["int8"]
    clauses = [clause for story in stories_of("int8", cases, grid) for clause in story.clauses]
    assert sorted(id(case) for clause in clauses for case in clause.cases) == sorted(map(id, cases))
    assert all(case.kind == clause.kind for clause in clauses for case in clause.cases)
    assert len(clauses) <= len(cases)


@given(st.floats(0.01, 100), st.floats(0.001, 0.9))
def test_a_size_is_told_above_one(ratio: float, half: float) -> None:
    """Whatever its direction, and its interval in the same sense."""
    text = size_text(comparison("int8", BETTER, ratio, half))
    factor, _, interval = text.partition("x")
    assert float(factor) >= 0.99
    low, high = map(float, interval.strip(" []").split(", "))
    assert low <= float(factor) * 1.5
    assert low <= high


def test_refused_setups_are_told_once_with_their_reason() -> None:
    """By their number, in singular and plural."""
    assert refused_lines([("a", "torch does not run int8"), ("b", "torch does not run int8"), ("c", "no")]) == [
        "torch does not run int8: 2 setups left out.",
        "no: 1 setup left out.",
    ]
    assert refused_lines(()) == []


def test_a_failed_setup_of_a_measured_grid() -> None:
    """From runs to words: where one setup fails, the rest is told as before."""
    experiment = grid_experiment(
        batch_size=(1, 8, 32), engine="onnxruntime", threads=1, repeats=5, precision_modes=("float32", "int8")
    )
    runs = grid_runs(experiment, failed=["int8-b8"])
    results = grid_results(
        runs=[replace(run) for run in runs],
        batch_size=(1, 8, 32),
        engine="onnxruntime",
        threads=1,
        precision_modes=("float32", "int8"),
    )
    line = lines_of(results)[1]
    assert line.startswith("int8 pays at batch 32 (1.")
    assert line.endswith("at batch 1 no difference is shown; at batch 8 all runs failed.")
