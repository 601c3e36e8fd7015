"""A made-up energy counter, for tests of what counts with it."""

import math

from significand.meters.energy import EnergyError, EnergyReading


class FakeCounter:
    """A counter of joules and a clock, both set by hand, which may refuse to be read."""

    kind = "measured"
    source = "made-up"
    domains = "box"
    assumptions = ""
    shortest_window_s = 0.1

    def __init__(self) -> None:
        self.now_ns = 9_000_000_000
        self.total_j = 400
        self.refusal = ""
        self.longest_s = math.inf

    def pass_time(self, seconds: float, energy_j: int) -> None:
        """Let time pass and energy be used."""
        self.now_ns += round(seconds * 1e9)
        self.total_j += energy_j

    def read(self) -> EnergyReading:
        """Return the present time and total."""
        if self.refusal:
            raise EnergyError(self.refusal)
        return EnergyReading(self.now_ns, (self.total_j,))

    def energy_j(self, start: EnergyReading, end: EnergyReading) -> float:
        """Return the difference, unless the window is too long."""
        if end.time_ns - start.time_ns > self.longest_s * 1e9:
            raise EnergyError("too long")
        return end.counts[0] - start.counts[0]

    def close(self) -> None:
        """Do nothing."""


class SteadyCounter(FakeCounter):
    """From each reading to the next one second passes and 10 J are used."""

    def read(self) -> EnergyReading:
        """Let the second pass first."""
        self.pass_time(1, 10)
        return super().read()
