"""fleet.json: which block ran on which machine and when, while it runs and afterwards."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from significand.plan.paths import shell_word
from significand.results.facts import FactsError, check_facts
from significand.results.files import TooLargeError, open_to_read
from significand.results.read import json_object
from significand.results.records import SCHEMA_VERSION
from significand.results.store import FLEET, HOSTS, write_json

BlockState = Literal["waiting", "running", "finished", "lost", "failed"]
FleetEnd = Literal["running", "finished", "interrupted", "failed"]

LARGEST_FLEET = 200_000_000
"""Bytes of a fleet.json that is read: a block takes some two hundred."""

LEAST_BETWEEN_S = 0.5
"""Between two writes of the file, at least."""

SHARE_OF_WRITING = 0.02
"""Of all time at most, that writing the file may take while blocks run: it grows with every block."""


@dataclass
class BlockEntry:
    """A block as it was given to a machine.

    Attributes
    ----------
    repeat
        Which repeat.
    host
        The machine; empty as long as it is not known which one takes it.
    attempt
        1 the first time; counts up each time it was lost and given out again.
    state
        waiting until it begins, running, finished, lost (given out again), or failed (not any more).
    submitted_utc, started_utc, ended_utc
        By the clock of the machine that gives the blocks out, whatever the others' clocks say.
    reason
        Why it was lost or failed.
    """

    repeat: int
    host: str
    attempt: int = 1
    state: BlockState = "waiting"
    submitted_utc: str = ""
    started_utc: str = ""
    ended_utc: str = ""
    reason: str = ""


@dataclass
class HostEntry:
    """A machine that is there.

    Attributes
    ----------
    name
        What it is called.
    cpu
        Its processor.
    unfit
        What `significand doctor` found bad there, a line each.
    clock_offset_s
        How far its clock is ahead of the submitting machine's; None where nobody has looked.
    note
        What else to know, such as why it gets no more blocks.
    """

    name: str
    cpu: str | None = None
    unfit: tuple[str, ...] = ()
    clock_offset_s: float | None = None
    note: str = ""


@dataclass
class FleetState:
    """All that fleet.json says.

    Attributes
    ----------
    facts
        What the experiment is, as in the first line of a journal.
    hosts
        ``"each"``, ``"share"`` or ``"merged"``.
    place
        Where blocks run, in the user's words.
    updated_utc
        When the file was written, or is to be.
    """

    facts: Mapping[str, Any]
    hosts: str
    place: str
    state: FleetEnd = "running"
    machines: list[HostEntry] = field(default_factory=list)
    blocks: list[BlockEntry] = field(default_factory=list)
    updated_utc: str = field(default_factory=lambda: utc())  # noqa: PLW0108 - it is defined below

    def machine(self, name: str) -> HostEntry:
        """Return the entry of a machine, a new one where there is none."""
        found = next((one for one in self.machines if one.name == name), None)
        if found is None:
            found = HostEntry(name)
            self.machines.append(found)
        return found

    def to_json(self) -> dict[str, object]:
        """Return what the file holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.facts,
            "hosts": self.hosts,
            "place": self.place,
            "state": self.state,
            "updated_utc": self.updated_utc,
            "machines": [asdict(one) for one in self.machines],
            "blocks": [vars(one) for one in self.blocks],
        }


def utc() -> str:
    """Return the time of day as files say it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def seconds_between(first: str, last: str) -> float:
    """Return how much later the one time of day is than the other.

    Raises
    ------
    ValueError, TypeError
        Where one of them is none.
    """
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


class FleetError(ValueError):
    """A folder that is no fleet's, or whose fleet.json is damaged. ``problems`` holds one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def read_fleet_state(folder: Path) -> FleetState:
    """Read a folder's fleet.json.

    Raises
    ------
    FleetError
        Where there is none, or it is damaged.
    """
    path = folder / FLEET
    try:
        with open_to_read(path, LARGEST_FLEET, "move it away") as file:
            told: dict[str, Any] = json_object(file.read())
    except FileNotFoundError:
        raise FleetError(
            [f"{str(folder)!r} has no {FLEET}; give the folder of an experiment that runs on several machines"]
        ) from None
    except OSError as error:
        raise FleetError([f"{str(path)!r} cannot be read ({error.strerror}); give another folder"]) from None
    except TooLargeError as error:
        raise FleetError([str(error)]) from None
    remedy = (
        f"what machines have measured is below {HOSTS}: put it together with significand merge NEW {shell_word(folder)}"
    )
    damaged = FleetError([f"{str(path)!r} is damaged; {remedy}"])
    if not told:
        raise damaged
    machines, blocks = told.pop("machines", []), told.pop("blocks", [])
    own = {name: told.pop(name, "") for name in ("hosts", "place", "state", "updated_utc")}
    told.pop("schema_version", None)
    try:
        check_facts(path, told)
        state = FleetState(
            told, str(own["hosts"]), str(own["place"]), own["state"], updated_utc=str(own["updated_utc"])
        )
        if state.state not in get_args(FleetEnd):
            raise TypeError("state")  # noqa: TRY301 - told as all others
        state.machines = [_entry(HostEntry, one) for one in machines]
        state.blocks = [_entry(BlockEntry, one) for one in blocks]
    except FactsError as error:
        raise FleetError(error.problems) from None
    except (TypeError, AttributeError, ValueError):
        raise damaged from None
    return state


def _entry(kind: type, told: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of that kind
    """Return an entry from its values by name, each of its type; what a later version wrote beside them is left out."""
    known = {one.name: told[one.name] for one in fields(kind) if one.name in told}
    for name, value in known.items():
        kinds = {"repeat": int, "attempt": int, "unfit": list, "clock_offset_s": (int, float, type(None))}
        if not isinstance(value, kinds.get(name, (str, type(None)) if name == "cpu" else str)):  # type: ignore[arg-type]
            raise TypeError(name)
    if kind is BlockEntry and known["state"] not in get_args(BlockState):
        raise ValueError(known["state"])
    if "unfit" in known:
        known["unfit"] = tuple(map(str, known["unfit"]))
    return kind(**known)


class FleetFile:
    """Writes fleet.json now and then while blocks run, and at once where it is asked to.

    Parameters
    ----------
    folder
        Of the whole experiment.
    state
        What is written; it changes meanwhile.
    clock
        Seconds from any origin.
    """

    def __init__(self, folder: Path, state: FleetState, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / FLEET
        self._state = state
        self._clock = clock
        self._next_s = float("-inf")

    def write(self) -> None:
        """Write it now."""
        begin = self._clock()
        self._state.updated_utc = utc()
        write_json(self._state.to_json(), self._path)
        end = self._clock()
        self._next_s = end + max(LEAST_BETWEEN_S, (end - begin) / SHARE_OF_WRITING)

    def keep_up(self) -> None:
        """Write it where the last time is long enough ago."""
        if self._clock() >= self._next_s:
            self.write()


def counted_by_host(blocks: Iterable[BlockEntry]) -> dict[str, Counter[str]]:
    """Return how many blocks of each machine are in which state."""
    counts: dict[str, Counter[str]] = {}
    for block in blocks:
        counts.setdefault(block.host, Counter())[block.state] += 1
    return counts


def times_by_host(blocks: Iterable[BlockEntry]) -> dict[str, dict[str, object]]:
    """Return when the first block of each machine began and its last one ended; a time that is not known is left out.

    Only blocks that finished count.
    """
    times: dict[str, dict[str, object]] = {}
    for block in blocks:
        if block.state != "finished":
            continue
        own = times.setdefault(block.host, {})
        for name, outermost in (("started_utc", min), ("ended_utc", max)):
            if told := getattr(block, name):
                own[name] = outermost(told, own.get(name, told))
    return times
