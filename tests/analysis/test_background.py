"""What others add to a ratio of training times although every step counts as quiet."""

import numpy as np
import pytest

from significand.analysis.background import background_of
from significand.analysis.claims import compare_setups
from significand.present.words.sentences import sentence
from significand.results.records import Run
from significand.results.table import table_of


def runs(mode: str, time_s: float, share: float) -> list[Run]:
    """Return three runs of a mode in whose training others took a share."""
    return [
        Run(
            setup=mode,
            precision_mode=mode,
            repeat=repeat,
            train_time_per_epoch_s=time_s * (1 + 0.001 * repeat**2) / (1 - share),
            training_others_share=share,
        )
        for repeat in range(3)
    ]


def test_others_share_is_told_in_a_ratio() -> None:
    """Of twice the work, of which others took 4 % of the time, the ratio is 4.2 % too large, and says so."""
    table = table_of([*runs("float32", 1.0, 0.0), *runs("float16", 2.0, 0.04)])
    assert background_of(table, [0, 0])[1] == pytest.approx(1 / 0.96)
    (told,) = compare_setups(table, [0, 0], metrics=["train_time"])
    assert told.estimate.point / told.background == pytest.approx(2.0)
    assert ", while others took 4.2 % more of its CPU time" in sentence("float16", [told])


def test_of_the_baseline_it_is_the_other_way_round() -> None:
    """The sentence says whose time it was."""
    table = table_of([*runs("float32", 1.0, 0.04), *runs("float16", 2.0, 0.0)])
    (told,) = compare_setups(table, [0, 0], metrics=["train_time"])
    assert "while others took 4.2 % more of the baseline's CPU time" in sentence("float16", [told])


def test_what_is_little_or_unknown_is_not_told() -> None:
    """Below half a per cent, and in folders of versions that did not write it."""
    for share in (0.004, np.nan):
        table = table_of([*runs("float32", 1.0, 0.0 * share), *runs("float16", 2.0, share)])
        assert "others" not in sentence("float16", compare_setups(table, [0, 0], metrics=["train_time"]))
