"""What a network that tells classes has answered."""

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from significand.measure.answers import answers_of, divergence, gives_classes
from significand.workload.arrays import Arrays

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.25, -3.0]])


def targets(values: np.ndarray) -> Arrays:
    """Return targets of one array."""
    return Arrays({"target": values})


def test_classes_are_a_number_for_each_and_a_whole_number_as_target() -> None:
    """Values, several outputs, one number an example and real targets are none."""
    assert gives_classes([LOGITS], targets(np.array([0, 1])))
    assert gives_classes([LOGITS], None)
    assert not gives_classes([LOGITS], targets(np.array([0.5, 1.0])))
    assert not gives_classes([LOGITS], targets(np.array([[0, 1], [1, 0]])))
    assert not gives_classes([LOGITS, LOGITS], None)
    assert not gives_classes([LOGITS[:, :1]], None)
    assert not gives_classes([LOGITS.argmax(axis=1)], None)


def test_the_answer_is_the_class_with_the_largest_output() -> None:
    """The first of them where several are as large."""
    assert answers_of([np.array([[0.1, 0.7, 0.7], [1.0, 0.0, 0.0]])]).tolist() == [1, 0]


def test_divergence_of_logits_is_that_of_their_softmax() -> None:
    """Golden value: SciPy's rel_entr; the reference comes first. Adding to all logits changes no probability."""
    other = LOGITS + np.array([[0.1, -0.2, 0.0], [0.0, 0.3, 0.2]])
    wanted = rel_entr(softmax(LOGITS, axis=1), softmax(other, axis=1)).sum(axis=1).mean()
    assert divergence([other], [LOGITS]) == pytest.approx(wanted, rel=1e-12)
    assert divergence([LOGITS + 5], [LOGITS]) == pytest.approx(0, abs=1e-12)


def test_divergence_of_probabilities_takes_them_as_they_are() -> None:
    """Softmax again would make them nearly equal."""
    one, other = softmax(LOGITS, axis=1), softmax(2 * LOGITS, axis=1)
    wanted = rel_entr(other, one).sum(axis=1).mean()
    assert divergence([one], [other]) == pytest.approx(wanted, rel=1e-5)


def test_a_probability_that_eight_bits_round_to_nothing_costs_no_infinity() -> None:
    """It counts as the least that float16 tells from 0."""
    found = divergence([np.array([[1.0, 0.0]])], [np.array([[0.999, 0.001]])])
    assert 0 < found < 0.02


def test_outputs_that_are_not_finite_diverge_by_nothing_known() -> None:
    """A missing number is missing."""
    assert np.isnan(divergence([np.array([[np.nan, 0.0]])], [np.array([[0.5, 0.5]])]))
