"""Engines with one fault each, or several of one kind, as `significand.testing` is to find them."""
# ruff: noqa: ARG002, D102 - methods of the protocol, most of which need little of what they get

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from significand.engines.operators import CALL, Operator
from significand.engines.torch_eager import TorchEngine, TorchSession
from significand.plan.setup import Setup
from significand.workload.arrays import Feeds
from significand.workload.base import Outputs, Trained

sys.path.append(str(Path(__file__).parent / "example_engine"))

from significand_numpy_engine import NumpyEngine, NumpySession

SPINNING_S = 1.5


class _Opening(NumpyEngine):
    """Opens sessions of another class."""

    opens: type[NumpySession] = NumpySession

    def open(self, path: Path, setup: Setup) -> NumpySession:
        session = super().open(path, setup)
        session.__class__ = self.opens
        return session


class _ChangingSession(NumpySession):
    def predict(self, feeds: Feeds) -> Outputs:
        outputs = super().predict(feeds)
        for array in feeds.values():
            array[:] = 0
        return outputs


class Changing(_Opening):
    """Uses its feeds as scratch memory."""

    opens = _ChangingSession


class _SingleSession(NumpySession):
    def predict(self, feeds: Feeds) -> Outputs:
        return [one.astype(np.float32) for one in super().predict(feeds)]


class Single(_Opening):
    """Gives float32."""

    opens = _SingleSession


class _RememberingSession(NumpySession):
    def predict(self, feeds: Feeds) -> Outputs:
        shapes = tuple(array.shape for array in feeds.values())
        known: dict[object, Outputs] = self.__dict__.setdefault("known", {})
        return known.setdefault(shapes, super().predict(feeds))


class Remembering(_Opening):
    """Gives what it gave for a batch of the same shape."""

    opens = _RememberingSession


class _SpinningSession(NumpySession):
    def _infer(self, x: np.ndarray) -> np.ndarray:
        threading.Thread(target=_spin, daemon=True).start()
        return super()._infer(x)


def _spin() -> None:
    end = time.monotonic() + SPINNING_S
    while time.monotonic() < end:
        pass


class Spinning(_Opening):
    """Waits busily for the next call."""

    opens = _SpinningSession


class Empty(NumpyEngine):
    """Does not see its products."""

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        return []


class Boasting(NumpyEngine):
    """Says that it computes in 8 bits."""

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        found = super().computes_in(path, setup, feeds)
        return [Operator(one.name, one.kind, "int8", one.multiply_adds) for one in found]


class Counting(NumpyEngine):
    """Counts the multiply-adds of one example for all of them."""

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        found = super().computes_in(path, setup, feeds)
        return [Operator(one.name, one.kind, one.format, one.multiply_adds / setup.batch_size) for one in found]


class Twins(NumpyEngine):
    """Calls two operators the same."""

    def computes_in(self, path: Path, setup: Setup, feeds: Feeds) -> Sequence[Operator]:
        found = super().computes_in(path, setup, feeds)
        return [Operator("layer", one.kind, one.format, one.multiply_adds) for one in found]


class Renaming(NumpyEngine):
    """Profiles under names of its own."""

    def profile(self, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
        return {"first": 1e-6, "second": 1e-6, CALL: 1e-5}


class Summing(NumpyEngine):
    """Counts the times of all calls as that of one."""

    def profile(self, path: Path, setup: Setup, feeds: Feeds, calls: int) -> Mapping[str, float]:
        return {"layer 0": 1.0, "layer 1": 1.0, CALL: 1.0}


class _DriftingSession(NumpySession):
    def bind(self, feeds: Feeds) -> Callable[[], object]:
        call, calls = super().bind(feeds), iter(range(1, 100))
        return lambda: np.asarray(call()) * next(calls)


class Drifting(_Opening):
    """Adds up in a bound call what it gave before."""

    opens = _DriftingSession


class _ReversedSession(TorchSession):
    def _infer(self, inputs: object) -> object:
        return tuple(reversed(super()._infer(inputs)))


class Reversed(TorchEngine):
    """Gives the last output first."""

    modes = native_modes = ("float32",)

    def open(self, path: Path, setup: Setup) -> TorchSession:
        session = super().open(path, setup)
        session.__class__ = _ReversedSession
        return session


class Rude(NumpyEngine):
    """Starts a thread and a process, writes where it likes, and imports late."""

    def preload(self, setup: Setup) -> None:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

    def save(self, trained: Trained, setup: Setup, calibration: Feeds, path: Path) -> None:
        super().save(trained, setup, calibration, path)
        path.with_name("weights.txt").touch()
        Path("log.txt").touch()

    def open(self, path: Path, setup: Setup) -> NumpySession:
        import_module("made_up_late")
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        return super().open(path, setup)


CHANGING, SINGLE, REMEMBERING, SPINNING = Changing(), Single(), Remembering(), Spinning()
EMPTY, BOASTING, COUNTING, TWINS = Empty(), Boasting(), Counting(), Twins()
RENAMING, SUMMING, DRIFTING, REVERSED, RUDE = Renaming(), Summing(), Drifting(), Reversed(), Rude()
