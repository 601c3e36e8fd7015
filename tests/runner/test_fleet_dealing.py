"""Blocks are given to machines, kept once, given out again when they are lost, and given up with a reason."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_fleet import Answer, MadeUpFleet, MadeUpScheduler, fleet_experiment, made_up_block
from significand.results.journal import read_journal
from significand.runner.fleet import MOST_ATTEMPTS
from significand.runner.places import Began, Came, Ended, Event, HostFacts, PlaceError, Went

EXPERIMENT = fleet_experiment()


def fleet(folder: Path, *hosts: str, **more: object) -> MadeUpFleet:
    """Return a fleet of machines that always answer, unless more is said."""
    mode = more.pop("mode", "each")
    mixed = more.pop("mixed", False)
    return MadeUpFleet(folder, MadeUpScheduler(EXPERIMENT, hosts, **more), EXPERIMENT, mode, mixed=bool(mixed))  # type: ignore[arg-type]


def a_always(said: str | None) -> Answer:
    """Return what makes the machine ``a`` say that of every block, and all others send it."""
    return lambda host, repeat: said if host == "a" else made_up_block(EXPERIMENT, repeat, host)


def kept(folder: Path) -> dict[str, list[int]]:
    """Return the repeats in the journal of each machine, one entry a run."""
    return {
        one.name: sorted(run.repeat for run in read_journal(one / "journal.jsonl").runs)
        for one in sorted((folder / "hosts").iterdir())
    }


def whole(*repeats: int) -> list[int]:
    """Return what a machine's journal holds of these repeats: each as often as there are setups."""
    return sorted(repeat for repeat in repeats for _ in EXPERIMENT.setups())


def test_each_machine_does_every_repeat(tmp_path: Path) -> None:
    """With `each`, every machine's folder holds all repeats, in an ordinary journal."""
    assert fleet(tmp_path / "f", "a", "b").run() == []
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3), "b": whole(0, 1, 2, 3)}


def test_shared_repeats_are_done_once(tmp_path: Path) -> None:
    """With `share`, every repeat is done by one of the machines, and all of them work."""
    made = fleet(tmp_path / "f", "a", "b", mode="share")
    assert made.run() == []
    found = kept(tmp_path / "f")
    assert sorted(found["a"] + found["b"]) == whole(0, 1, 2, 3)
    assert set(found) == {"a", "b"}


def test_a_machine_has_one_block_at_a_time(tmp_path: Path) -> None:
    """No machine is given a second block before its first has ended; the made-up scheduler asserts it."""
    made = fleet(tmp_path / "f", "a", "b", "c", together=1)
    assert made.run() == []
    assert Counter(host for host, _ in made.place.started) == {"a": 4, "b": 4, "c": 4}


@pytest.mark.parametrize("mode", ["each", "share"])
def test_a_lost_block_is_given_out_again(tmp_path: Path, mode: str) -> None:
    """A block that is lost twice is there in the end, and fleet.json says how often it was lost and why."""
    losses = Counter[int]()

    def answer(host: str, repeat: int) -> bytes | str:
        losses[repeat] += repeat == 2
        return (
            "the power failed" if repeat == 2 and losses[2] < MOST_ATTEMPTS else made_up_block(EXPERIMENT, repeat, host)
        )

    made = fleet(tmp_path / "f", "a", answer=answer, mode=mode)
    assert made.run() == []
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3)}
    lost = [block for block in made.state.blocks if block.state == "lost"]
    assert [(one.repeat, one.attempt, one.reason) for one in lost] == [
        (2, 1, "the power failed"),
        (2, 2, "the power failed"),
    ]


def test_a_block_that_is_always_lost_is_named(tmp_path: Path) -> None:
    """After three attempts a block is given up with a line that names it; all others are there."""
    made = fleet(
        tmp_path / "f", "a", "b", answer=lambda h, r: "no" if (h, r) == ("a", 1) else made_up_block(EXPERIMENT, r, h)
    )
    (line,) = [one for one in made.run() if "lost 3 times" in one]
    assert line == "repeat 1 on a was lost 3 times, the last time because: no"
    assert kept(tmp_path / "f")["b"] == whole(0, 1, 2, 3)


def test_a_machine_that_loses_all_gets_no_more(tmp_path: Path) -> None:
    """Three blocks lost in a row set a machine aside; the others do its part, and nobody waits for it."""
    full = "No space left on device"
    made = fleet(
        tmp_path / "f",
        "a",
        "b",
        answer=a_always(full),
        mode="share",
    )
    assert made.run() == []
    assert kept(tmp_path / "f") == {"b": whole(0, 1, 2, 3)}
    assert Counter(host for host, _ in made.place.started)["a"] <= 3


def test_a_machine_with_a_full_disk_costs_no_other(tmp_path: Path) -> None:
    """With `each`, the other machine is complete, and a line says what the one lacks and why."""
    full = "No space left on device"
    made = fleet(tmp_path / "f", "a", "b", answer=a_always(full))
    problems = made.run()
    assert kept(tmp_path / "f") == {"b": whole(0, 1, 2, 3)}
    assert any("a lacks 3 of 4 repeats" in line and full in line for line in problems)


def test_what_a_machine_had_is_done_by_others_when_it_goes(tmp_path: Path) -> None:
    """A machine that goes in the middle of a block loses it; another one takes it over."""
    made = fleet(
        tmp_path / "f", "a", "b", answer=a_always(None), mode="share",
        events=[[], [Went("a")]],
    )  # fmt: skip
    assert made.run() == []
    assert kept(tmp_path / "f") == {"b": whole(0, 1, 2, 3)}


def test_a_machine_that_comes_back_goes_on(tmp_path: Path) -> None:
    """A network that was gone for a while costs the block that ran, which the same machine does again."""
    gone = {"a": True}

    def answer(host: str, repeat: int) -> bytes | None:
        return None if gone["a"] else made_up_block(EXPERIMENT, repeat, host)

    class Returning(MadeUpScheduler):
        def wait(self, timeout_s: float) -> list[Event]:
            if self.waited == 4:
                gone["a"] = False
            return list(super().wait(timeout_s))

    place = Returning(EXPERIMENT, ["a"], answer, [[], [Went("a")], [], [], [Came("a")]])
    made = MadeUpFleet(tmp_path / "f", place, EXPERIMENT)
    assert made.run(patience_s=1000) == []
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3)}


def test_a_machine_that_stays_away_is_not_awaited_for_ever(tmp_path: Path) -> None:
    """After some patience the experiment ends, and a line says what is missing."""
    made = fleet(tmp_path / "f", "a", "b", events=[[Went("a")]])
    assert made.run(patience_s=50) == ["a lacks 4 of 4 repeats: it is gone"]
    assert kept(tmp_path / "f") == {"b": whole(0, 1, 2, 3)}


def test_a_block_done_twice_is_kept_once(tmp_path: Path) -> None:
    """What arrives again, from the same machine or in the same moment, is dropped."""
    again = Ended("a", 0, made_up_block(EXPERIMENT, 0, "a"))
    made = fleet(tmp_path / "f", "a", events=[[again, again], [again]])
    assert made.run() == []
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3)}
    assert [block.state for block in made.state.blocks] == ["finished"] * 4


def test_what_arrives_late_is_kept_and_not_done_again(tmp_path: Path) -> None:
    """A block that was given up with its machine, and arrives after all, is kept."""
    late = Ended("a", 0, made_up_block(EXPERIMENT, 0, "a"))
    made = fleet(tmp_path / "f", "a", events=[[Went("a"), late, Came("a")]])
    assert made.run() == []
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3)}
    assert made.place.started.count(("a", 0)) == 1


def test_a_result_that_was_cut_off_is_lost(tmp_path: Path) -> None:
    """A block that did not arrive whole is told as lost, and done again."""
    sent = Counter[int]()

    def answer(host: str, repeat: int) -> bytes:
        sent[repeat] += 1
        content = made_up_block(EXPERIMENT, repeat, host)
        return content[:-100] if sent[repeat] == 1 else content

    made = fleet(tmp_path / "f", "a", answer=answer)
    made.run()
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3)}
    assert {block.reason[:24] for block in made.state.blocks if block.state == "lost"} == {"it was cut off on its wa"}


def test_other_processors_do_not_share(tmp_path: Path) -> None:
    """A block from another kind of processor is not taken among equals, unless that is allowed."""

    def answer(host: str, repeat: int) -> bytes:
        return made_up_block(EXPERIMENT, repeat, host, cpu="Other 1" if host == "b" else "Made-up 9000")

    made = fleet(tmp_path / "f", "a", "b", answer=answer, mode="share")
    made.run()
    assert set(kept(tmp_path / "f")) == {"a"}
    assert any("let equal machines share" in block.reason for block in made.state.blocks)
    mixed = fleet(tmp_path / "g", "a", "b", answer=answer, mode="share", mixed=True)
    assert mixed.run() == []
    assert set(kept(tmp_path / "g")) == {"a", "b"}


def test_another_version_on_one_machine_is_refused(tmp_path: Path) -> None:
    """A block measured with another version is no repeat of the others: it is refused, naming field and values."""

    def answer(host: str, repeat: int) -> bytes:
        torch = "9.9" if host == "b" else "2.12.0"
        return made_up_block(
            EXPERIMENT, repeat, host, versions={"significand": "0.1.0", "torch": torch, "numpy": "2.4.0"}
        )

    made = fleet(tmp_path / "f", "a", "b", answer=answer)
    assert any("machine.versions.torch: '2.12.0' in the experiment, '9.9' in this block" in line for line in made.run())
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3)}


def test_clocks_of_machines_decide_nothing(tmp_path: Path) -> None:
    """When a block ran is told by one clock only, whatever the machines' clocks say."""
    made = fleet(tmp_path / "f", "a", "b")
    made.run()
    times = [block.ended_utc for block in made.state.blocks]
    assert times == sorted(times)
    assert all(block.submitted_utc <= block.started_utc <= block.ended_utc for block in made.state.blocks)


def test_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    """A fleet that goes on gives out only what is missing."""
    first = fleet(tmp_path / "f", "a", "b", events=[[], [], [PlaceError("gone")]], together=1)
    with pytest.raises(PlaceError):
        first.run()
    before = kept(tmp_path / "f")
    second = fleet(tmp_path / "f", "a", "b")
    assert second.run() == []
    assert kept(tmp_path / "f") == {"a": whole(0, 1, 2, 3), "b": whole(0, 1, 2, 3)}
    assert len(second.place.started) == 8 - sum(len(runs) for runs in before.values()) // len(EXPERIMENT.setups())


def test_what_somebody_else_has_sent_meanwhile_is_not_done_again(tmp_path: Path) -> None:
    """A machine that goes with a block which arrived late from another one leaves nothing to do."""
    late = Ended("a", 3, made_up_block(EXPERIMENT, 3, "a"))
    events: list[list[Event]] = [[Went("a"), Ended("a", 0, reason="lost")], [], [], [late], [Went("b"), Came("b")]]
    made = fleet(tmp_path / "f", "a", "b", events=events, mode="share", together=1)
    assert made.run(patience_s=30) == []
    found = kept(tmp_path / "f")
    assert sorted(repeat for runs in found.values() for repeat in runs) == whole(0, 1, 2, 3)


def test_who_left_a_block_to_others_does_it_when_they_go(tmp_path: Path) -> None:
    """A lost block is left to another machine; when that one goes or is set aside, the first one does it itself."""
    lost = Counter[str]()

    def answer(host: str, repeat: int) -> bytes | str | None:
        lost[host] += 1
        return "lost" if (host, lost[host]) == ("a", 1) else None if host == "b" else two_block(repeat, host)

    def two_block(repeat: int, host: str) -> bytes:
        return made_up_block(two, repeat, host)

    two = fleet_experiment(repeats=2)
    done = Ended("b", 1, two_block(1, "b"))
    for number, events in enumerate([[[], [done, Went("b")]], [[], [], [Went("b")]]]):
        lost.clear()
        made = MadeUpFleet(tmp_path / str(number), MadeUpScheduler(two, "ab", answer, events), two, "share")  # type: ignore[arg-type]
        assert made.run() == []
        assert made.place.started.count(("a", 0)) == 2


def test_machines_that_a_scheduler_chooses_are_avoided(tmp_path: Path) -> None:
    """Losses are the machine's, not those of the place in the queue; one that loses three in a row is avoided."""
    slots = [HostFacts("job-1"), HostFacts("job-2")]

    def machine(host: str, repeat: int) -> str:
        del host, repeat
        return "n2" if made.place.avoided else "n1"

    def answer(host: str, repeat: int) -> bytes | str:
        return made_up_block(EXPERIMENT, repeat, "n2") if machine(host, repeat) == "n2" else "No space left on device"

    place = MadeUpScheduler(EXPERIMENT, slots, answer, machine=machine, together=1)
    made = MadeUpFleet(tmp_path / "f", place, EXPERIMENT, "share")
    assert made.run() == []
    assert kept(tmp_path / "f") == {"n2": whole(0, 1, 2, 3)}
    assert place.avoided == ["n1"]
    assert [(one.name, one.note) for one in made.state.machines] == [
        ("n1", "it lost 3 blocks in a row: No space left on device")
    ]
    assert {block.host for block in made.state.blocks if block.state == "lost"} == {"n1"}


def test_a_block_waits_until_it_begins(tmp_path: Path) -> None:
    """Where a scheduler has a queue, fleet.json says that a block waits, and when it began only once it did."""
    seen: list[tuple[str, bool]] = []

    class Queue(MadeUpScheduler):
        def wait(self, timeout_s: float) -> list[Event]:
            seen.append((made.state.blocks[0].state, made.state.blocks[0].started_utc != ""))
            return list(super().wait(timeout_s))

    place = Queue(EXPERIMENT, ["a"], events=[[], [Began("a", 0)], [], [KeyboardInterrupt()]], together=0, queues=True)
    made = MadeUpFleet(tmp_path / "f", place, EXPERIMENT)

    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert seen == [("waiting", False), ("waiting", False), ("running", True), ("running", True)]


KINDS: dict[str, Callable[[str, int], Event]] = {
    "goes": lambda host, _: Went(host),
    "comes": lambda host, _: Came(host),
    "sends": lambda host, repeat: Ended(host, repeat, made_up_block(EXPERIMENT, repeat, host)),
    "loses": lambda host, repeat: Ended(host, repeat, reason="lost"),
}
EVENTS = st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from("ab"), st.integers(0, 3))


@pytest.mark.slow
@given(st.lists(st.lists(EVENTS, max_size=3), max_size=8), st.sampled_from(["each", "share"]))
def test_whatever_happens_nothing_is_doubled_or_left_unsaid(told: list[list[tuple[str, str, int]]], mode: str) -> None:
    """Whatever goes, comes, arrives twice or is lost: no run is kept twice, and what is missing is told."""
    events = [[KINDS[kind](host, repeat) for kind, host, repeat in some] for some in told]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "f"
        made = fleet(out, "a", "b", events=events, mode=mode)
        problems = made.run(patience_s=30)
        found = kept(out)
        for runs in found.values():
            assert runs == whole(*set(runs))
        done = {(host, repeat) for host, runs in found.items() for repeat in runs}
        if mode == "share":
            repeats = [repeat for runs in found.values() for repeat in set(runs)]
            assert len(repeats) == len(set(repeats))
            assert len(repeats) == 4 or problems
        else:
            assert len(done) == 8 or problems


def test_a_node_that_refuses_because_it_is_unfit_costs_no_attempt(tmp_path: Path) -> None:
    """However many unfit nodes a scheduler chooses, their blocks are done elsewhere; each is avoided, with a note."""
    unfit = [f"n{number}" for number in range(MOST_ATTEMPTS + 2)]

    def answer(host: str, repeat: int) -> Ended | bytes:
        if (node := next((one for one in unfit if one not in made.place.avoided), None)) is not None:
            return Ended(host, repeat, reason="load: busy", machine=node, is_unfit=True)
        return made_up_block(EXPERIMENT, repeat, "good")

    made = fleet(tmp_path / "f", "job-1", mode="share", answer=answer)
    assert made.run() == []
    assert made.place.avoided == unfit
    assert kept(tmp_path / "f") == {"good": whole(0, 1, 2, 3)}
    notes = {one.name: one.note for one in made.state.machines}
    assert notes == dict.fromkeys(unfit, "unfit, so it gets no blocks: load: busy")


@pytest.mark.parametrize("mode", ["each", "share"])
def test_a_block_that_is_refused_while_its_machine_goes_is_not_forgotten(tmp_path: Path, mode: str) -> None:
    """What cannot be kept is done again, or said to be missing, even if its machine has gone in the same moment."""
    made = fleet(tmp_path / "f", "a", mode=mode, together=1)

    def answer(host: str, repeat: int) -> bytes:
        if repeat != 1:
            return made_up_block(EXPERIMENT, repeat, host)
        made.place.happens_with_it(Went(host))
        return made_up_block(EXPERIMENT, repeat, host, os="after an update")

    made.place.answer_with(answer)
    told = made.run(patience_s=30.0)
    assert told
    assert any("repeat" in line for line in told)
    assert kept(tmp_path / "f")["a"].count(1) == 0
