"""Every reader of a foreign file returns a value or raises its documented error, whatever the file holds.

A new reader is one more `Reader` in `READERS`.
"""

import contextlib
import datetime as dt
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import significand.answers.folder
from conftest import small_experiment
from made_up_results import MACHINE, made_up_runs
from significand.engines.base import engine_modes
from significand.plan.config import read_config
from significand.plan.experiment import Surroundings, plan_experiment
from significand.plan.options import OPTIONS
from significand.plan.problems import PlanError
from significand.present.page.prepared import contents_of
from significand.present.terminal.paper import latex_table, paper_table
from significand.results.comparable import ResultsError
from significand.results.difference import differing
from significand.results.facts import FACTS, FactsError, check_facts
from significand.results.journal import JournalError, append_run, first_line, read_journal
from significand.results.read import read_details, read_json_object
from significand.results.records import FIRST_METHOD, SCHEMA_VERSION, Run, TableError
from significand.results.resume import check_same, find_begun
from significand.results.store import RAW_RUNS, write_csv
from significand.results.table_file import read_table
from significand.workload.data import Dataset, load_source

pytestmark = pytest.mark.slow

# The same examples every time, and none may take long: hanging is a failure too.
steady = settings(
    derandomize=True,
    max_examples=40,
    deadline=dt.timedelta(seconds=5),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NO_FACTS = Surroundings(engine_modes(), lambda name, column: None)  # noqa: ARG005 - the data are no part of it


@dataclass(frozen=True)
class Reader:
    """One reader of files that anybody may have written.

    Attributes
    ----------
    file_name
        Name of the file it is given.
    read
        Reads the file and checks what came out of it.
    valid
        Content that it reads.
    structures
        Contents that have the outer form of its files.
    errors
        What it may raise, as its docstring says.
    """

    file_name: str
    read: Callable[[Path], object]
    valid: bytes
    structures: st.SearchStrategy[bytes]
    errors: tuple[type[Exception], ...] = (PlanError,)


def read_experiment(path: Path) -> None:
    """Read a TOML file and plan what it says."""
    fields = read_config(path)
    fields.pop("output_dir", None)
    plan_experiment(fields, NO_FACTS)


def read_data(path: Path) -> None:
    """Read data, and check that they keep what the rest of the program relies on."""
    dataset = load_source(str(path))
    assert isinstance(dataset, Dataset)
    assert dataset.x.shape == (len(dataset.y), dataset.facts.n_features)
    assert dataset.x.dtype == np.float64
    assert np.isfinite(dataset.x).all()
    assert set(dataset.y.tolist()) == set(range(dataset.facts.n_classes))
    assert dataset.facts.n_classes >= 2


def npz(arrays: dict[str, np.ndarray], compressed: bool = False) -> bytes:
    """Return a .npz file."""
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)  # type: ignore[arg-type]  # arrays by name
    return file.getvalue()


def raw_runs(run: Run) -> bytes:
    """Return a raw_runs.csv of one run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw_runs.csv"
        write_csv([run.to_row()], path)
        return path.read_bytes()


def journal(run: Run) -> bytes:
    """Return a journal of one run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_text(first_line({"experiment": {"seed": 3}, "data_sha256": None}), encoding="ascii")
        append_run(path, run)
        return path.read_bytes()


def stored(experiment: Mapping[str, object] | None = None, /, **facts: object) -> bytes:
    """Return a manifest of a small experiment, with changes."""
    fields = small_experiment().to_json() | dict(experiment or {})
    return json.dumps({"schema_version": SCHEMA_VERSION, "experiment": fields, "machine": MACHINE} | facts).encode()


def resumable() -> bytes:
    """Return a journal of a small experiment and its first run."""
    run = Run(seed=7, precision_mode="int8")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        path.write_bytes(stored() + b"\n")
        append_run(path, run)
        return path.read_bytes()


def read_begun(path: Path) -> None:
    """Read a journal, and look for differences from what its first line says."""
    facts = read_journal(path).facts
    list(differing({"experiment": {"seed": 3}, "machine": {"cpu": "x"}}, facts))


def read_stored(path: Path) -> None:
    """Check what a manifest says, and that the experiment keeps what the analysis relies on."""
    plan = check_facts(path, read_json_object(path))
    assert plan.precision_modes
    assert all(value in plan.precision_modes for axis, value in plan.baseline if axis == "precision")
    assert len(plan.activations) == len(plan.layer_sizes) - 1
    assert len(set(plan.objectives)) > 1
    assert plan.margin is None or plan.margin > 0


def read_folder(path: Path) -> None:
    """Read a folder by its manifest, and say everything that it says."""
    runs = [run for mode in ("float32", "int8") for run in made_up_runs(1, mode=mode, n=2)]
    write_csv([run.to_row() for run in runs], path.parent / RAW_RUNS)
    results = significand.answers.folder.read_folder(path.parent)
    latex_table(paper_table(results))
    contents_of(results)


def read_resumable(path: Path) -> None:
    """Find out what was begun, and whether it is what is asked for."""
    begun = find_begun(path.parent, {})
    here = {"experiment": json.loads(stored())["experiment"], "method": FIRST_METHOD, "machine": {"cpu": "x"}}
    check_same(path.parent, begun.facts, here, ["machine"])


def read_times(path: Path) -> None:
    """Read the single times behind a run."""
    assert all(isinstance(times, np.ndarray) for times in read_details(path).values())


# Words that mean something to one reader or another, beside any text.
TEXT = st.text(max_size=12) | st.sampled_from(
    ["", "0", "-1", "1e999", "nan", "inf", "1_0", "٣", "\0", '"', "a,b", "\r", "\n", "\ufeff", "\u2028", "9" * 5_000]
)
CELLS = TEXT | st.integers().map(str) | st.floats().map(repr)


def toml_text(text: str) -> str:
    """Return a text as TOML writes it (toml.io, v1.0.0, string)."""
    return '"' + "".join(f"\\U{ord(sign):08x}" for sign in text if not "\ud800" <= sign <= "\udfff") + '"'


TOML_VALUES = st.recursive(
    st.booleans().map(lambda value: str(value).lower())
    | st.integers().map(str)
    | st.integers(0, 2**200).map(hex)
    | st.floats().map(repr)
    | st.datetimes().map(dt.datetime.isoformat)
    | st.dates().map(dt.date.isoformat)
    | TEXT.map(toml_text)
    | st.sampled_from(["float32", "relu", "x.csv", "64-8", "digits", "adam", "1x2"]).map(toml_text),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(TEXT.map(toml_text), inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{name} = {value}" for name, value in table.items()) + "}"
        )
    ),
    max_leaves=8,
)
TOML_KEYS = st.sampled_from([*OPTIONS, "output_dir"]).map(toml_text) | TEXT.map(toml_text)
TOML_FILES = st.dictionaries(TOML_KEYS, TOML_VALUES, max_size=6).map(
    lambda table: "\n".join(f"{name} = {value}" for name, value in table.items()).encode()
)


def csv_files(first: st.SearchStrategy[list[str]]) -> st.SearchStrategy[bytes]:
    """Return tables under a first line, some of even width and some ragged."""
    even = st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=5)
    )
    return st.tuples(first, even | st.lists(st.lists(CELLS, max_size=5), max_size=5), st.sampled_from("\n\r")).map(
        lambda parts: parts[2].join(map(",".join, [parts[0], *parts[1]])).encode(errors="surrogatepass")
    )


NUMBERS = ["?", "i1", "<u2", ">i4", "<i8", ">u8", "<f2", ">f4", "<f8", "g", "<c8"]
DTYPES = st.sampled_from([*NUMBERS, "<M8[s]", "<m8[D]", "S1", "S0", "U1", "<U3", ">U2", "U0", "V3", "V0", "O"])
SIZES = st.sampled_from([0, 1, 2, 3, 3, 3, 7])
SHAPES = st.lists(SIZES, max_size=3).map(tuple)
"""Small and often alike, so that samples and labels match now and then."""


@st.composite
def npy_members(draw: st.DrawFn) -> bytes:
    """Return a .npy file by hand: any type, shape and bytes, and a shape that need not fit the bytes."""
    descr, shape = draw(DTYPES), draw(SHAPES | st.lists(st.integers(-3, 2**70), max_size=3).map(tuple))
    begin = f"{{'descr': {descr!r}, 'fortran_order': {draw(st.booleans())}, 'shape': {shape}, }}\n".encode()
    size = min(np.dtype(descr).itemsize * abs(int(np.prod(np.array(shape, dtype=object)))), 200)
    content = draw(st.binary(min_size=size, max_size=size) | st.binary(max_size=64))
    version = draw(st.sampled_from([1, 1, 1, 1, 2, 3, 9]))
    length = len(begin).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + begin + content


@st.composite
def npz_by_hand(draw: st.DrawFn) -> bytes:
    """Return an archive whose members are mostly arrays."""
    file = io.BytesIO()
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in ("X", "y"):
            suffix = draw(st.sampled_from([".npy", ".npy", ".npy", ""]))
            archive.writestr(name + suffix, draw(npy_members() | st.binary(max_size=40)))
    return file.getvalue()


@st.composite
def npz_of_arrays(draw: st.DrawFn) -> bytes:
    """Return an archive of arrays that mostly belong together, of any type and content."""
    rows = draw(st.integers(0, 6))
    arrays = {}
    for name, fitting in {"X": (rows, draw(st.integers(0, 3))), "y": (rows,)}.items():
        dtype = np.dtype(draw(DTYPES.filter(lambda dtype: dtype != "O")))
        shape = draw(st.just(fitting) | SHAPES)
        size = dtype.itemsize * int(np.prod(shape))
        content = draw(st.binary(min_size=size, max_size=size))
        arrays[name] = np.frombuffer(content, dtype).reshape(shape) if size else np.zeros(shape, dtype)
    return npz(arrays, draw(st.booleans()))


NPZ_FILES = npz_by_hand() | npz_of_arrays()
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
JSON_FILES = JSON_VALUES.map(lambda value: json.dumps(value).encode())
RUN_ROWS = st.dictionaries(st.sampled_from(list(Run().to_row())) | TEXT, CELLS, max_size=5)
JOURNALS = st.lists(JSON_VALUES | st.builds(lambda row: {"run": row}, RUN_ROWS), max_size=4).map(
    lambda lines: "".join(f"{json.dumps(line)}\n" for line in [{"schema_version": SCHEMA_VERSION}, *lines]).encode()
)
NEARLY = st.sampled_from([0, -1, 2, 0.5, 1e300, 10**400, "2%", "int8", ["int8"], ["int8", "int8"], [4, 2], True, {}])
STORED = st.builds(
    lambda experiment, facts: stored(experiment, **facts),
    st.dictionaries(st.sampled_from(sorted(OPTIONS)), JSON_VALUES | NEARLY, max_size=3),
    st.dictionaries(
        st.sampled_from([*(name for name in FACTS if "." not in name), "machine"]),
        JSON_VALUES | st.dictionaries(st.sampled_from(sorted(name.rpartition(".")[2] for name in FACTS)), JSON_VALUES),
        max_size=3,
    ),
)
COLUMN_NAMES = st.lists(st.sampled_from(list(Run().to_row())) | TEXT, max_size=5)

READERS = {
    "config": Reader(
        "config.toml",
        read_experiment,
        b'layer_sizes = [64, 32, 10]\nactivations = ["relu", "softmax"]\ndata = "digits"\nseed = 0x2A\nepochs = 3\n'
        b'learning_rate = 1e-2\nprecision_modes = ["float32", "int8"]\noutput_dir = "out"\n',
        TOML_FILES,
    ),
    "csv": Reader(
        "data.csv", read_data, b'a,"b",y\n1,2.5,cat\n-3,4e1,dog\n5,.7,cat\n', csv_files(st.lists(CELLS, max_size=5))
    ),
    "npz": Reader(
        "data.npz", read_data, npz({"X": np.arange(6.0).reshape(3, 2), "y": np.array(["a", "b", "a"])}), NPZ_FILES
    ),
    "npz, packed": Reader(
        "data.npz", read_data, npz({"X": np.arange(6).reshape(3, 2), "y": np.array([0, 1, 0])}, True), NPZ_FILES
    ),
    "runs": Reader(
        "raw_runs.csv",
        read_table,
        raw_runs(Run(seed=3, layer_sizes="4x2", status="failed", reason='no, "never"\n', peak_memory_mb=1.5)),
        csv_files(COLUMN_NAMES),
        (TableError,),
    ),
    "journal": Reader(
        "journal.jsonl", read_begun, journal(Run(seed=3, reason="no\n", peak_memory_mb=1.5)), JOURNALS, (JournalError,)
    ),
    "manifest": Reader("manifest.json", read_json_object, b'{"state": "running", "elapsed_s": 1.5}\n', JSON_FILES, ()),
    "stored": Reader("manifest.json", read_stored, stored(), STORED, (FactsError,)),
    "folder": Reader("manifest.json", read_folder, stored(), STORED, (ResultsError,)),
    "resumable": Reader(
        "journal.jsonl", read_resumable, resumable(), STORED.map(lambda line: line + b"\n"), (PlanError,)
    ),
    "details": Reader("r000-int8.npz", read_times, npz({"call_latency_s": np.arange(3.0)}), NPZ_FILES, (ValueError,)),
}


every_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


def check(reader: Reader, content: bytes) -> None:
    """Let the reader read the content; any error but its own goes through."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / reader.file_name
        path.write_bytes(content)
        with contextlib.suppress(*reader.errors):
            reader.read(path)


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """Return the content after some bytes were changed, put in, taken out, repeated, or cut off."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(damaged)))
        length = draw(st.integers(1, 12))
        match draw(st.sampled_from(["flip", "insert", "delete", "repeat", "truncate"])):
            case "flip":
                damaged[at : at + 1] = bytes(byte ^ (1 << draw(st.integers(0, 7))) for byte in damaged[at : at + 1])
            case "insert":
                damaged[at:at] = draw(st.binary(min_size=1, max_size=length))
            case "delete":
                del damaged[at : at + length]
            case "repeat":
                damaged[at:at] = damaged[at : at + length] * draw(st.integers(1, 50))
            case "truncate":
                del damaged[at:]
    return bytes(damaged)


@every_reader
def test_valid_file_is_read(reader: Reader, tmp_path: Path) -> None:
    """What the damage below begins with is in order."""
    path = tmp_path / reader.file_name
    path.write_bytes(reader.valid)
    reader.read(path)


@every_reader
@given(content=st.binary(max_size=300))
@steady
def test_any_bytes_are_read_or_refused(reader: Reader, content: bytes) -> None:
    """Arbitrary bytes, also behind the beginning of a valid file, give a value or the documented error."""
    check(reader, content)
    check(reader, reader.valid[:8] + content)


@every_reader
@given(data=st.data())
@steady
def test_damaged_file_is_read_or_refused(reader: Reader, data: st.DataObject) -> None:
    """A valid file with changed, added, missing or repeated bytes gives a value or the documented error."""
    check(reader, data.draw(damage(reader.valid)))


@every_reader
@given(data=st.data())
@steady
def test_any_structure_is_read_or_refused(reader: Reader, data: st.DataObject) -> None:
    """A well-formed file with the wrong things in it gives a value or the documented error."""
    check(reader, data.draw(reader.structures))


DEEP = b"[" * 5_000 + b"]" * 5_000
HUGE = b"0x" + b"f" * 6_000  # in decimal more digits than Python writes by default

EXTREMES = {
    "config nested in a value": ("config", b"seed = " + DEEP),
    "config nested by dots": ("config", b"seed." + b".".join([b"a"] * 3_000) + b" = 1"),
    "config with a huge number": ("config", b"seed = " + HUGE),
    "config with a huge number in a list": ("config", b"activations = [" + HUGE + b"]"),
    "config with a huge output_dir": ("config", b"output_dir = " + HUGE),
    "config with many digits": ("config", b"seed = " + b"9" * 100_000),
    "config of many dotted names": ("config", b"a" + b".a" * 100_000 + b" = 1"),
    "config of ten megabytes": ("config", b"data = '" + b"x" * 10**7 + b"'"),
    "config of many unknown keys": ("config", b"".join(b"k%d = 1\n" % at for at in range(50_000))),
    "config of many modes": ("config", b"precision_modes = [" + b"'x', " * 100_000 + b"]"),
    "stored with many modes": ("stored", stored({"precision_modes": [str(at) for at in range(100_000)]})),
    "stored with many facts": ("stored", stored({}, **{f"fact{at}": at for at in range(100_000)})),
    "stored nested": ("stored", stored()[:-1] + b', "a": ' + DEEP + b"}"),
    "folder with a long name": ("folder", stored(state="x" * 10**6)),
    "resumable with a long name": ("resumable", stored(state="x" * 10**6) + b"\n"),
    "resumable with many facts": ("resumable", stored(machine={f"m{at}": at for at in range(100_000)}) + b"\n"),
    "config with a long key": ("config", b"a" * 100_000 + b" = 1"),
    "csv of a hundred thousand columns": ("csv", b",".join([b"1"] * 10**5)),
    "csv of blank lines": ("csv", b"\n" * 10**5),
    "csv in UTF-16": ("csv", "1,0\n2,1\n".encode("utf-16")),
    "journal nested": ("journal", first_line({}).encode() + DEEP + b"\n"),
    "journal with many digits": ("journal", first_line({}).encode() + b"9" * 100_000 + b"\n"),
    "journal of blank lines": ("journal", first_line({}).encode() + b"\n" * 10**5),
    "manifest nested": ("manifest", b'{"a": ' + DEEP + b"}"),
    "manifest with many digits": ("manifest", b'{"a": ' + b"9" * 100_000 + b"}"),
    "runs with a long text": ("runs", b"seed,reason\n1," + b"x" * 200_000),
    "runs with an open quote": ("runs", b'seed,reason\n1,"' + b"x\n" * 100_000),
    "runs with many digits": ("runs", b"seed\n" + b"9" * 100_000),
    "runs of a hundred thousand columns": ("runs", b",".join(b"%d" % at for at in range(10**5)) + b"\n1"),
}
"""What is too large for examples found by chance."""


@pytest.mark.parametrize(
    ("name", "content"),
    [pytest.param(*extreme, id=what) for what, extreme in EXTREMES.items()],
)
def test_extreme_file_is_read_or_refused(name: str, content: bytes) -> None:
    """Depth, length and width without limit give a value or the documented error."""
    check(READERS[name], content)
