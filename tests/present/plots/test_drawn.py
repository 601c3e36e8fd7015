"""Behaviour of the values that are drawn: whoever draws them needs nothing that worked them out."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_who_draws_imports_nothing_that_works_out_numbers() -> None:
    """What draws knows the prepared values without SciPy, Polars, moocore and the answers."""
    code = "import significand.present.plots.drawing, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "matplotlib.figure" in loaded
    assert not loaded & {"scipy", "polars", "moocore", "significand.answers", "significand.analysis"}
