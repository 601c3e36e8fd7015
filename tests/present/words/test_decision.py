"""The decision in words: short, plain, and with no more digits than the interval has."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import small_experiment
from significand.analysis.choose import Limit, choose
from significand.analysis.loss import Flips, Loss, More
from significand.answers.choose import Decision, Question
from significand.plan.metrics import scored
from significand.present.words.decision import decision_details, decision_told, question_words

NOTHING = Loss(None, reason="it is what the others are held against")


def flips(lost: float, n: int = 2000, changed: float = 0.01) -> Loss:
    """Return evidence of so many answers lost."""
    return Loss(Flips(lost, 0, n), n=n, changed=changed)


def decision(
    logs: list[float],
    *losses: Loss,
    repeats: int = 10,
    limits: tuple[str, ...] = (),
    minimise: str = "latency",
    kind: str = "accuracy",
    excess: float | None = None,
    **experiment: object,
) -> Decision:
    """Return a decision among float32, int8 and int8-dynamic, as many as there are losses and one."""
    modes = ["float32", "int8", "int8-dynamic"][: len(losses) + 1]
    planned = small_experiment(precision_modes=modes, **experiment)
    table = np.array([0.0, *logs]) + 0.02 * np.random.default_rng(0).normal(size=(repeats, len(logs) + 1))
    bounds = [Limit(table * 0 + excess + 0.01 * table)] if excess is not None else []
    choice = choose(table, 0, [NOTHING, *losses], 0.01, bounds)
    metrics = scored(kind)
    question = Question(None, minimise, limits)
    setups = planned.setups()
    return Decision(
        question, metrics["test_accuracy"], metrics[minimise], 0.01, setups, planned.varying, 0, repeats, choice
    )


def test_what_to_ship_is_said_in_a_sentence() -> None:
    """Where it runs, how much lower its cost is with the interval, and what is lost at most."""
    told = decision_told(decision([-0.83], flips(2)))
    assert told.head == "Ship int8 on onnxruntime"
    assert str(told) == (
        "Ship int8 on onnxruntime: 2.28x lower latency than float32 [2.25, 2.31], test accuracy lost at most 0.4 "
        "points (95 %)."
    )


def test_the_baseline_is_kept_with_what_was_asked() -> None:
    """The margin is said, so that nobody takes it for granted."""
    assert str(decision_told(decision([-0.5], flips(200)))) == (
        "Keep float32 on onnxruntime: nothing else is shown to be faster without losing more than 1 point."
    )


def test_what_would_decide_is_said() -> None:
    """Both are possible, and test examples are missing."""
    told = str(decision_told(decision([-0.5, -0.4], flips(1, 360), flips(1, 360))))
    assert re.fullmatch(
        "Not decided: int8 on onnxruntime and int8-dynamic on onnxruntime are both possible; "
        r"about [\d,]+ more test examples [(][\d,]+ to [\d,]+ in four of five cases[)] would decide[.]",
        told,
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (More(12, None, (8, 20)), "; about 12 more repeats (8 to 20 in four of five cases) would decide."),
        (
            More(12, 912, (1, 20), (310, 2471)),
            "; about 12 more repeats, or about 910 more test examples (1 to 20, or 310 to 2,500 in four of five cases)",
        ),
        (More(12, None, (8, None)), "about 12 more repeats (8 or more in four of five cases) would decide."),
        (More(1, None, (1, 1)), "; about 1 more repeat would decide."),
        (More(12, None), "about 12 more repeats would decide."),
    ],
)
def test_how_much_more_is_told_with_its_range(more: More, words: str) -> None:
    """With two digits, and the range where one is known and is more than that number."""
    one = decision([-0.5], flips(1, 360))
    assert one.choice
    told = Decision(**{**vars(one), "choice": replace(one.choice, verdict="undecided", possible=[1], more=more)})
    assert words in str(decision_told(told))


def test_one_repeat_is_told_to_be_one() -> None:
    """With what to do about it."""
    told = str(decision_told(decision([-0.5], flips(1), repeats=1)))
    assert told == ("Not decided: int8 on onnxruntime is possible, but one repeat shows no spread; give --repeats 10.")


def test_equals_are_named() -> None:
    """What cannot be told from the chosen one may be as good."""
    told = str(decision_told(decision([-0.500, -0.495], flips(1), flips(1))))
    assert told.endswith("int8-dynamic on onnxruntime cannot be told from it.")


def test_nothing_fits_is_said_with_the_limits() -> None:
    """Each limit, as it was given."""
    told = decision_told(decision([-0.5], flips(1), limits=("memory=5MB", "latency=1ms"), excess=1.0))
    assert str(told) == (
        "Nothing fits: no setup is shown to lose at most 1 point of test accuracy with peak memory at most 5MB and "
        "latency at most 1ms."
    )


def test_unchanged_answers_are_said_to_be() -> None:
    """No bound where there is a plainer fact."""
    assert "the same test accuracy in each of 2,000 examples" in str(
        decision_told(decision([-0.5], flips(0, changed=0.0)))
    )


def test_a_score_that_is_no_share_has_no_points() -> None:
    """R² is lost in its own unit, and agreement is called that."""
    assert question_words(decision([-0.5], flips(1), kind="R²")) == "lowest latency, at most 0.01 of test R² lost"
    assert question_words(decision([-0.5], flips(1), kind="agreement")) == (
        "lowest latency, at most 1 point of agreement lost"
    )


def test_setups_are_named_by_what_varies() -> None:
    """In a grid of batch sizes the batch is part of the name, and the baseline is named where it differs."""
    one = decision([-0.5], flips(1), batch_size=[8, 16])
    planned = small_experiment(precision_modes=["float32", "int8"], batch_size=[8, 16])
    grid = Decision(**{**vars(one), "setups": planned.setups(), "varying": planned.varying})
    assert decision_told(grid).head == "Ship int8 on onnxruntime at batch 8"


@pytest.mark.parametrize("problem", ["no run of float32 finished"])
def test_a_question_without_answer_says_why(problem: str) -> None:
    """And there are no details of what is not known."""
    one = decision([-0.5], flips(1))
    none = Decision(**{**vars(one), "choice": None, "problems": [problem]})
    assert str(decision_told(none)) == "No answer: no run of float32 finished."
    assert decision_details(none) == []


def test_details_say_what_was_asked_and_how_each_stands() -> None:
    """First the question, then a line for each setup but the reference, then of which population the losses are."""
    asked, int8, dynamic, population = decision_details(decision([-0.9, -0.4], flips(100), flips(1)))
    assert asked == "Asked: lowest latency, at most 1 point of test accuracy lost."
    assert int8.startswith("int8 on onnxruntime: does not keep what was asked; test accuracy lost 5.0, at most 5.9")
    assert "keeps what was asked; test accuracy lost 0.1, at most 0.3 points (95 %), by 2,000 examples" in dynamic
    assert population == ("The test accuracy lost is about these trained weights on new examples like those held out.")


def test_control_characters_cannot_move_the_cursor(tmp_path: Path) -> None:
    """Whatever a limit's text says."""
    del tmp_path
    assert "\x1b" not in question_words(decision([-0.5], flips(1), limits=("memory=\x1b[2J5MB",)))
