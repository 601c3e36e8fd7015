import contextlib
import json
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_up_results import made_up_folder, made_up_runs
from significand.answers.folder import read_folder
from significand.plan.options import OPTIONS
from significand.results.comparable import BEFORE, FREE, ResultsError, differences
from significand.results.records import FIRST_METHOD, METHOD, SCHEMA_VERSION, Run
from significand.results.store import MANIFEST, RAW_RUNS
from significand.results.table import table_of


def told(one: Path, other: Path) -> list[str]:
    """Return what differs, in words."""
    found, _ = differences(read_folder(one).facts, read_folder(other).facts)
    return [difference.told("OLD", "NEW") for difference in found]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Runs, fields and facts come back; facts have dotted names."""
    runs = made_up_runs(1)
    results = read_folder(made_up_folder(tmp_path / "old", runs))
    assert results.runs.frame.equals(table_of(runs).frame)
    assert (results.state, results.started_utc[:10]) == ("finished", "2026-01-02")
    assert results.facts["machine.versions.torch"] == "2.12.0"
    assert results.setups() == ["float32"]


def test_equal_results_do_not_differ(tmp_path: Path) -> None:
    """The same experiment on the same machine has no difference, though its memory is a little off after a boot."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    new = made_up_folder(tmp_path / "new", made_up_runs(2), machine={"memory_mb": 8020.0})
    assert told(old, new) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"experiment": {"threads": 9}}, "experiment.threads: [2] in OLD, [9] in NEW"),
        ({"experiment": {"epochs": 3}}, "experiment.epochs: 2 in OLD, 3 in NEW"),
        ({"machine": {"host": "other"}}, "machine.host: 'bench' in OLD, 'other' in NEW"),
        ({"machine": {"turbo": True}}, "machine.turbo: None in OLD, True in NEW"),
        (
            {"method": METHOD | {"latency": "the fastest call"}},
            "method.latency: 'median of calls' in OLD, 'the fastest call' in NEW",
        ),
        ({"machine": {"memory_mb": 9000.0}}, "machine.memory_mb: 8000.0 in OLD, 9000.0 in NEW"),
        (
            {"machine": {"versions": {"significand": "0.1.0", "torch": "2.13.0", "numpy": "2.4.0"}}},
            "machine.versions.torch: '2.12.0' in OLD, '2.13.0' in NEW",
        ),
    ],
)
def test_what_numbers_depend_on_must_be_the_same(tmp_path: Path, changes: dict[str, object], line: str) -> None:
    """Every such field that differs is named with both values."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1), experiment={"threads": 2})
    changes = changes | {"experiment": {"threads": 2} | dict(changes.get("experiment", {}))}  # type: ignore[call-overload]
    new = made_up_folder(tmp_path / "new", made_up_runs(2), **changes)  # type: ignore[arg-type]  # by name
    assert told(old, new) == [line]


def test_what_does_not_matter_may_differ(tmp_path: Path) -> None:
    """Seed, repeats and what was only asked of the analysis may differ; they all are fields of an experiment."""
    assert set(OPTIONS) >= FREE
    assert set(OPTIONS) >= BEFORE.keys()
    others: dict[str, object] = {
        "precision_modes": ["int8"],
        "repeats": 9,
        "seed": 1,
        "watts_per_core": 5.0,
        "step_timeout_s": 9.0,
        "baseline": "int8",
        "margin": 0.1,
        "accuracy_margin": 1.0,
        "max_loss": 0.5,
        "minimise": "memory",
        "limit": ["latency=2ms"],
        "objectives": ["latency", "memory"],
        "indifferent": ["latency=1%"],
        "until": 0.05,
        "until_metric": "memory",
        "max_repeats": 50,
        "max_time_s": 60.0,
    }
    against = {"against": "venv"}  # which leaves no choice of the baseline
    assert {*others, *against} == FREE
    old = made_up_folder(tmp_path / "old", made_up_runs(1))
    new = made_up_folder(tmp_path / "new", made_up_runs(2), experiment=others)
    there = made_up_folder(tmp_path / "there", made_up_runs(2), experiment=against)
    assert told(old, new) == told(old, there) == []


def test_versions_of_another_environment_must_be_the_same(tmp_path: Path) -> None:
    """Where it lies does not matter: what ran there does."""
    found = [
        {"path": f"/envs/{name}", "python": "3.11.7", "versions": {"onnxruntime": version}}
        for name, version in (("a", "1.32.0"), ("b", "1.32.0"), ("c", "1.33.0"))
    ]
    old, moved, newer = (made_up_folder(tmp_path / str(k), made_up_runs(1), against=one) for k, one in enumerate(found))
    assert told(old, moved) == []
    assert told(old, newer) == ["against.versions.onnxruntime: '1.32.0' in OLD, '1.33.0' in NEW"]


def test_data_is_known_by_its_content(tmp_path: Path) -> None:
    """A moved data file is the same data where its hash is the same, and another where the hash differs."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1), experiment={"data": "a.csv"}, data_sha256="1f")
    moved = made_up_folder(tmp_path / "moved", made_up_runs(1), experiment={"data": "b.csv"}, data_sha256="1f")
    changed = made_up_folder(tmp_path / "changed", made_up_runs(1), experiment={"data": "a.csv"}, data_sha256="2e")
    assert told(old, moved) == []
    assert told(old, changed) == ["data_sha256: '1f' in OLD, '2e' in NEW"]


def test_older_versions_are_read_as_what_they_did(tmp_path: Path) -> None:
    """A field that version 1 did not know is what it did; a machine fact that it did not look at is no difference."""
    old = made_up_folder(tmp_path / "old", made_up_runs(1), schema_version=1)
    manifest = (old / MANIFEST).read_text(encoding="utf-8")
    lines = [
        line for line in manifest.splitlines() if not any(name in line for name in ("on_noise", "turbo", "noise_"))
    ]
    (old / MANIFEST).write_text("\n".join(lines), encoding="utf-8")
    new = made_up_folder(tmp_path / "new", made_up_runs(1), experiment={"on_noise": "remeasure"})
    found, unrecorded = differences(read_folder(old).facts, read_folder(new).facts)
    assert [difference.told("OLD", "NEW") for difference in found] == [
        "experiment.on_noise: 'mark' in OLD, 'remeasure' in NEW"
    ]
    assert unrecorded == ["machine.turbo"]


@pytest.mark.parametrize("method", [None, {}])
def test_results_of_before_the_manifest_said_how_are_of_the_first_method(tmp_path: Path, method: object) -> None:
    """Latencies and placement were others then: such results are not the same as those of today."""
    old, older = (made_up_folder(tmp_path / name, made_up_runs(1), method=method) for name in ("old", "older"))
    new = made_up_folder(tmp_path / "new", made_up_runs(2))
    assert told(old, older) == []
    assert told(old, new) == [
        f"method.{name}: {FIRST_METHOD[name]!r} in OLD, {METHOD[name]!r} in NEW"
        for name in ("latency", "memory", "placement")
    ]


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    """What is no result folder, damaged, or of a newer version is refused in a line that names the file."""
    runs = made_up_runs(1)
    with pytest.raises(ResultsError, match=r"nothing' does not exist; give a folder that"):
        read_folder(tmp_path / "nothing")
    with pytest.raises(ResultsError, match="holds no results"):
        read_folder(tmp_path)
    (tmp_path / "runs.csv").write_text("seed\n", encoding="utf-8")
    with pytest.raises(ResultsError, match=r"runs.csv' is a file, no folder"):
        read_folder(tmp_path / "runs.csv")
    (made_up_folder(tmp_path / "damaged", runs) / MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(ResultsError, match=r"manifest.json' is damaged"):
        read_folder(tmp_path / "damaged")
    newer = made_up_folder(tmp_path / "newer", runs, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(ResultsError, match=f"schema version {SCHEMA_VERSION + 1}; this significand, .*: upgrade it"):
        read_folder(newer)
    (made_up_folder(tmp_path / "gone", runs) / RAW_RUNS).unlink()
    with pytest.raises(ResultsError, match=r"raw_runs.csv. cannot be read .No such file"):
        read_folder(tmp_path / "gone")
    columns = [column.name for column in fields(Run) if column.name != "seed"]
    with pytest.raises(ResultsError, match="lacks the column seed"):
        read_folder(made_up_folder(tmp_path / "columns", runs, columns=columns))
    with pytest.raises(ResultsError, match="'float32' with seed 7 twice"):
        read_folder(made_up_folder(tmp_path / "twice", [*runs, runs[0]]))
    with pytest.raises(ResultsError, match="'float32' with repeat 0 twice"):
        read_folder(made_up_folder(tmp_path / "again", [*runs, replace(runs[0], seed=99)]))
    for repeat in (-1, 2**31):
        with pytest.raises(ResultsError, match=f"has the repeat {repeat}; they count from 0 to 2147483647"):
            read_folder(made_up_folder(tmp_path / str(repeat), [*runs[1:], replace(runs[0], repeat=repeat)]))
    torn = made_up_folder(tmp_path / "torn", runs)
    text = (torn / RAW_RUNS).read_text(encoding="utf-8")
    (torn / RAW_RUNS).write_text(text[: len(text) - 200], encoding="utf-8")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_folder(torn)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25)
@given(experiment=st.dictionaries(st.sampled_from(sorted(OPTIONS)), JSON), machine=JSON, version=JSON, state=JSON)
def test_any_manifest_is_read_or_refused(experiment: object, machine: object, version: object, state: object) -> None:
    """Whatever a manifest holds, its folder is read or refused, and differences can be told."""
    with TemporaryDirectory() as scratch:
        folder = made_up_folder(Path(scratch) / "old", made_up_runs(1, n=1))
        plain = read_folder(folder).facts
        changed = {"experiment": experiment, "machine": machine, "state": state, "started_utc": state}
        for schema in (version, SCHEMA_VERSION):
            (folder / MANIFEST).write_text(json.dumps(changed | {"schema_version": schema}), encoding="utf-8")
            with contextlib.suppress(ResultsError):
                found, _ = differences(read_folder(folder).facts, plain)
                assert all(difference.told("OLD", "NEW").startswith(difference.field) for difference in found)


def test_a_manifest_without_end_is_refused(tmp_path: Path) -> None:
    """A machine nested too deeply to be looked at is refused as damaged."""
    folder = made_up_folder(tmp_path / "old", made_up_runs(1))
    for depth in (300, 900, 100_000):
        deep = '{"a":' * depth + "1" + "}" * depth
        text = f'{{"schema_version": 2, "experiment": {{}}, "machine": {deep}}}'
        (folder / MANIFEST).write_text(text, encoding="utf-8")
        with contextlib.suppress(ResultsError):
            read_folder(folder)
    with pytest.raises(ResultsError, match="damaged"):
        read_folder(folder)
