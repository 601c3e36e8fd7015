"""The NumPy engine keeps the protocol: on perceptrons, the only networks that it takes."""

import pytest

from significand.testing import Check, checks_of


@pytest.mark.parametrize("check", checks_of("numpy", workloads=["perceptron"]), ids=str)
def test_protocol(check: Check) -> None:
    """The check says what it wants, and what to mend where it fails."""
    check()
