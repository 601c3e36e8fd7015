"""Behaviour of the sentences about hosts: by kind, with what the interval is about."""

import json
import math
from pathlib import Path

import pytest

from made_up_fleets import CORE, EPYC, XEON, made_up_fleet
from significand.answers.fleet import FleetAnswer, read_answer
from significand.plan.metrics import METRICS
from significand.present.terminal.fleet_view import fleet_answer
from significand.present.words.hosts import (
    MOST_KINDS,
    factor_words,
    fleet_answers,
    fleet_findings,
    further_lines,
    kind_words,
    rest_words,
    short_kind,
    spread_words,
    title_words,
)
from significand.results.store import FLEET, HOSTS, MANIFEST, RAW_RUNS, write_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a fleet of three kinds of hosts."""
    return made_up_fleet(tmp_path_factory.mktemp("fleets") / "usual")


@pytest.fixture(scope="module")
def answer(folder: Path) -> FleetAnswer:
    """Return what it says."""
    return read_answer(folder)


def test_the_answer_is_told_by_kind(answer: FleetAnswer) -> None:
    """How much faster, on how many hosts of which kind, with the interval and where the next host is expected."""
    (one,) = fleet_answers(answer)
    assert (one.setup, one.baseline) == ("int8", "float32")
    assert (
        one.clauses[0] == "1.91x faster on 4 hosts of AMD EPYC 9654 with VNNI [1.89, 1.93], the next host 1.86 to 1.97"
    )
    assert one.clauses[1].startswith("1.08x faster on 3 hosts of Intel Xeon E5-2680 v4 with AVX2 [1.01, 1.16]")
    assert one.clauses[1].endswith("no difference shown among 11 comparisons")
    assert one.clauses[2].endswith("one host: says nothing of others")
    assert "next host" not in one.clauses[2]
    assert str(one.sentence) == f"int8 against float32: {'; '.join(one.clauses)}."


def test_plain_lines_begin_with_the_answer(folder: Path) -> None:
    """What was measured where, then the answer; nothing in them moves a cursor."""
    lines = fleet_answer(folder)
    assert lines[0] == "16-32-4 on 8 hosts of 3 kinds."
    assert lines[1].startswith("int8 against float32: 1.91x faster on 4 hosts of AMD EPYC 9654")
    assert any("about hosts like these" in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_scores_are_told_from_the_lowest_to_the_highest_host(answer: FleetAnswer) -> None:
    """They have no interval over hosts; a memory that nowhere differs is told in a line."""
    assert further_lines(answer) == [
        "int8: no difference of peak memory is shown on any kind of host.",
        "int8: training accuracy -0.43 to -0.35 points, by host.",
        "int8: test accuracy -0.43 to -0.36 points, by host.",
    ]


def test_names_of_processors_are_shortened() -> None:
    """What makers put into the names of all of them is left out."""
    assert short_kind("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz") == "Intel Xeon E5-2680 v4"
    assert short_kind("AMD EPYC 9654 96-Core Processor") == "AMD EPYC 9654"
    assert short_kind("CPU") == "CPU"


def test_a_ratio_is_told_above_one() -> None:
    """Faster or slower, and of other costs lower or higher; a difference in its unit."""
    assert factor_words(METRICS["latency"], 0.5, 0.4, 0.6) == ("2.0x faster", " [1.7, 2.5]")
    assert factor_words(METRICS["latency"], 2.0, 1.6, 2.5) == ("2.0x slower", " [1.6, 2.5]")
    assert factor_words(METRICS["latency"], 1.001, 0.9, 1.1)[0] == "as fast"
    assert factor_words(METRICS["memory"], 0.5, 0.4, 0.6)[0] == "2.0x lower peak memory"
    assert factor_words(METRICS["test_accuracy"], -0.4, -0.5, -0.3) == ("0.40 points lower", " [-0.50, -0.30]")
    assert factor_words(METRICS["latency"], 0.5, math.nan, math.nan) == ("2x faster", "")


def test_how_much_hosts_differ_is_told_as_a_share(answer: FleetAnswer) -> None:
    """Of the ratio, with its interval; of one host nothing."""
    one = answer.ratios["latency"]
    assert spread_words(one, 0, 1) == ("0.6 % [0.3, 2.4]", "88 %")
    assert spread_words(one, 2, 1) == ("", "")
    assert kind_words(answer, 1) == "Intel Xeon E5-2680 v4 with AVX2"


def test_setups_that_differ_nowhere_take_one_line(tmp_path: Path) -> None:
    """Where no kind shows a difference, the kinds are not listed."""
    folder = made_up_fleet(
        tmp_path / "fleet", ((EPYC, 3), (XEON, 3)), precision_modes=("float32", "float16"), repeats=4
    )
    (one,) = fleet_answers(read_answer(folder))
    (clause,) = one.clauses
    assert clause.startswith("no difference of latency shown on any of 2 kinds of hosts")


def test_many_setups_and_kinds_are_counted(tmp_path: Path) -> None:
    """The kinds with most hosts are told, and how many others there are; setups alike."""
    kinds = [({**EPYC, "cpu": f"Processor {k}"}, 2) for k in range(MOST_KINDS + 2)]
    folder = made_up_fleet(tmp_path / "fleet", kinds, batch_size=(1, 2, 4, 8, 16, 32, 64, 128), repeats=2)
    answer = read_answer(folder)
    assert len(fleet_answers(answer)) == 6
    assert rest_words(answer) == "2 more setups in host_ratios.csv."
    assert fleet_answers(answer)[0].clauses[-1] == "2 more kinds in host_ratios.csv"


def test_without_a_baseline_nothing_is_compared(tmp_path: Path) -> None:
    """That is said, and the hosts are still shown."""
    answer = read_answer(made_up_fleet(tmp_path / "fleet", ((EPYC, 2),), precision_modes=("float32",)))
    assert fleet_answers(answer) == []
    assert rest_words(answer).startswith("No setup has a baseline")
    assert title_words(answer) == "16-32-4 on 2 hosts of one kind"


def test_what_must_not_be_missed_is_told(tmp_path: Path) -> None:
    """Left out hosts, versions that differ, virtual machines, lost blocks, a job that goes on."""
    folder = made_up_fleet(tmp_path / "fleet", ((EPYC, 3), (CORE, 1)), hosts="share")
    facts = json.loads((folder / FLEET).read_text("utf-8"))
    facts |= {"state": "running"}
    facts["blocks"][0] |= {"state": "lost", "reason": "killed"}
    write_json(facts, folder / FLEET)
    (folder / HOSTS / "node03" / RAW_RUNS).unlink()
    manifest = json.loads((folder / HOSTS / "node02" / MANIFEST).read_text("utf-8"))
    manifest["machine"]["versions"]["torch"] = "2.12.0"
    manifest["machine"]["virtual_machine"] = True
    write_json(manifest, folder / HOSTS / "node02" / MANIFEST)
    told = " ".join(fleet_findings(read_answer(folder)))
    assert "The job is running: these are its 30 runs so far." in told
    assert "Left out: host 'node03'" in told
    assert "Versions differ: torch 2.13.0 on 2 hosts and 2.12.0 on one host" in told
    assert "1 blocks were lost or failed, on node01" in told
    assert "dealt out among 2 kinds of hosts" in told
    assert "virtual machines" in told
