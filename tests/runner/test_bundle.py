"""A bundle brings an experiment to another machine: what it is, its data, the user's own files; all of it checked."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SMALL
from significand.job import Plan, identity_of, plan_in
from significand.plan.problems import PlanError
from significand.runner.bundle import Bundle, write_bundle
from significand.workload.examined import Examined
from significand.workload.material import material_of

NETWORK = """\
from pathlib import Path
import torch
from helper import WIDTH
from torch import nn

SCALE = float((Path(__file__).parent / "scale.txt").read_text())

def model():
    return nn.Sequential(nn.Linear(4, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))

def data():
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)) * SCALE
    return x, (x[:, 0] > 0).long()
"""


Planner = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[Planner]:
    """Return what plans an experiment, as it is planned to run elsewhere."""
    with ExitStack() as kept:

        def plan(**fields: object) -> Plan:
            return plan_in(fields, tmp_path / "f", None, {}, (), yes=False, kept=kept, elsewhere=True)

        yield plan


def bundled(tmp_path: Path, plan: Plan) -> Path:
    """Write the bundle of a plan."""
    path = tmp_path / "experiment.zip"
    with path.open("wb") as file:
        write_bundle(
            file, identity_of(plan), plan.data(), plan.experiment.model, tmp_path / "aside", tmp_path / "aside"
        )
    return path


def network_in(folder: Path) -> Path:
    """Write a network of a file, what it imports, and what it opens."""
    folder.mkdir()
    (folder / "net.py").write_text(NETWORK)
    (folder / "helper.py").write_text("WIDTH = 8\n")
    (folder / "scale.txt").write_text("2.0")
    return folder / "net.py"


def test_an_experiment_comes_through(tmp_path: Path, planned: Planner) -> None:
    """What the experiment is, and its data, are what they were."""
    plan = planned(**SMALL | {"data": "digits", "layer_sizes": [64, 8, 10], "threads": 1})
    bundle = Bundle(bundled(tmp_path, plan))
    assert bundle.experiment == plan.experiment
    data = bundle.unpack(tmp_path / "there")
    there: Any = data
    here: Any = plan.data()
    assert there.sha256() == here.sha256() == bundle.facts["data_sha256"]


def test_synthetic_data_need_nothing(tmp_path: Path, planned: Planner) -> None:
    """What is made from a seed is made where it is measured."""
    assert Bundle(bundled(tmp_path, planned(**SMALL | {"threads": 1}))).unpack(tmp_path / "there") is None


def test_a_table_travels(tmp_path: Path, planned: Planner) -> None:
    """The rows of a CSV file travel with the block; the file itself is not needed."""
    table = tmp_path / "flowers.csv"
    table.write_text("a,b,kind\n" + "".join(f"{n},{n * n},{'xy'[n % 2]}\n" for n in range(40)))
    plan = planned(data=str(table), hidden="none", threads=1)
    path = bundled(tmp_path, plan)
    table.unlink()
    data: Any = Bundle(path).unpack(tmp_path / "there")
    assert data.x.shape == (40, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
@pytest.mark.parametrize("how", ["moved", "there", "changed"])
def test_a_network_of_files_comes_through(
    tmp_path: Path,
    planned: Planner,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user's file, what it imports and opens are found on a machine that has none of them, or others."""
    home = tmp_path / "home"
    file = network_in(home)
    monkeypatch.chdir(home)
    model = str(file) if how == "moved" else "net.py"
    engine = {} if how == "there" else {"engine": "torch"}  # to export the network once is enough
    path = bundled(tmp_path, planned(model=model, epochs=1, threads=1, precision_modes="float32", **engine))
    if how == "moved":
        for one in home.iterdir():
            one.rename(tmp_path / f"gone-{one.name}")
    elif how == "changed":
        (home / "helper.py").write_text("WIDTH = 9\n")
    bundle = Bundle(path)
    material: Any = bundle.unpack(tmp_path / "there")
    examined = Examined.read(material)
    code = (
        "import sys; from pathlib import Path; from significand.runner.bundle import Bundle\n"
        "from significand.workload.material import material_of\n"
        "bundle = Bundle(Path(sys.argv[1])); setup = bundle.experiment.setups()[0]\n"
        "made = material_of(setup.workload, Path(sys.argv[2])); made.load()\n"
        "network = made.untrained(setup, 0).module(); print(network[0].out_features)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(material)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.stdout.strip() == "8", done.stderr
    assert (examined.working_directory == str(home)) is (how == "there")


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_a_file_far_from_the_network_must_be_there(
    tmp_path: Path,
    planned: Planner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a network opens elsewhere is named, and refused where it is missing or another file."""
    weights = tmp_path / "elsewhere" / "weights.txt"
    weights.parent.mkdir()
    weights.write_text("8")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    text = NETWORK.replace("from helper import WIDTH", f"WIDTH = int(open({str(weights)!r}).read())").replace(
        '(Path(__file__).parent / "scale.txt").read_text()', "1"
    )
    (tmp_path / "home" / "net.py").write_text(text)
    path = bundled(tmp_path, planned(model="net.py", epochs=1, threads=1, precision_modes="float32", engine="torch"))
    Bundle(path).unpack(tmp_path / "there")
    weights.write_text("9")
    with pytest.raises(PlanError, match=r"weights\.txt' is another file here; put the same file there"):
        Bundle(path).unpack(tmp_path / "there-2")
    weights.unlink()
    with pytest.raises(PlanError, match=r"weights\.txt' is not on this machine"):
        Bundle(path).unpack(tmp_path / "there-3")


def test_large_data_are_named_and_checked(tmp_path: Path, planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that are too large to travel are put where machines may share them, and each checks what it finds."""
    monkeypatch.setattr("significand.runner.bundle.MOST_BYTES", 1000)
    x = np.random.default_rng(0).normal(size=(500, 3))
    np.savez(tmp_path / "large.npz", X=x, y=(x[:, 0] > 0).astype(int))
    path = bundled(tmp_path, planned(data=str(tmp_path / "large.npz"), hidden="none", threads=1))
    assert path.stat().st_size < 10_000
    data: Any = Bundle(path).unpack(tmp_path / "there")
    assert len(data.x) == 500
    aside = tmp_path / "aside" / "material" / "data.npz"
    os.truncate(aside, 100)
    with pytest.raises(PlanError, match=r"data\.npz' is another file here; .* only the path travels"):
        Bundle(path).unpack(tmp_path / "there-2")
    aside.unlink()
    with pytest.raises(PlanError, match=r"data\.npz' cannot be read here \(No such file"):
        Bundle(path).unpack(tmp_path / "there-3")


def rewritten(path: Path, **members: object) -> Path:
    """Return a bundle with other JSON in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            key = name.partition(".")[0]
            new.writestr(name, json.dumps(members[key]) if key in members else old.read(name))
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("part", ["../up", "material/../../up", "/etc/x", "files", "other/x", ""])
def test_no_part_leads_out_of_the_folder(tmp_path: Path, planned: Planner, part: str) -> None:
    """A bundle that somebody made writes nothing outside the folder that it is unpacked into."""
    path = bundled(tmp_path, planned(**SMALL | {"threads": 1}))
    path = rewritten(path, parts=[{"name": part, "size": 1, "sha256": "0"}])
    with pytest.raises(PlanError, match="is no bundle, or damaged"):
        Bundle(path).unpack(tmp_path / "there")
    assert not (tmp_path / "up").exists()


def test_what_is_no_bundle_is_refused(tmp_path: Path, planned: Planner) -> None:
    """Another file, a damaged one, one of a later version, or none at all: one line with the remedy."""
    path = bundled(tmp_path, planned(**SMALL | {"threads": 1}))
    with pytest.raises(PlanError, match="give a bundle or its folder"):
        Bundle(tmp_path / "none.zip")
    content = path.read_bytes()
    for broken in (b"", b"text", content[:-30], content.replace(b"epochs", b"epocks")):
        path.write_bytes(broken)
        with pytest.raises(PlanError):
            Bundle(path)
    path.write_bytes(content)
    with pytest.raises(PlanError, match="use one version of significand on all machines"):
        Bundle(rewritten(path, experiment={"bundle_version": 99}))


def test_a_part_that_changed_is_refused(tmp_path: Path, planned: Planner) -> None:
    """Data that are not what they were, by their digest, are not measured with."""
    path = bundled(tmp_path, planned(**SMALL | {"data": "digits", "layer_sizes": [64, 8, 10], "threads": 1}))
    with zipfile.ZipFile(path) as archive:
        parts = json.loads(archive.read("parts.json"))
    parts[0]["sha256"] = "0" * 64
    with pytest.raises(PlanError, match=r"data\.npz is not what it was"):
        Bundle(rewritten(path, parts=parts)).unpack(tmp_path / "there")


def with_parts(path: Path, *parts: tuple[str, bytes, str]) -> Path:
    """Return a bundle with other parts, each a name, a content, and where it is if it does not travel."""
    told = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "path": place}
        for name, content, place in parts
    ]
    path = rewritten(path, parts=told)
    with zipfile.ZipFile(path, "a") as archive:
        for name, content, place in parts:
            if not place:
                archive.writestr(name, content)
    return path


@pytest.mark.parametrize("told", ["what is there", "another content"])
@pytest.mark.parametrize("name", ["material/a/keys", "material//a/./keys"])
def test_nothing_is_written_through_a_link(tmp_path: Path, planned: Planner, told: str, name: str) -> None:
    """A part that is only named becomes a link; another part is never written below it, whatever it leads to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    path = bundled(tmp_path, planned(**SMALL | {"threads": 1}))
    path = with_parts(path, ("material/a", told.encode(), str(outside)), (name, b"mine", ""))
    with pytest.raises(PlanError, match="is below another part"):
        Bundle(path).unpack(tmp_path / "there")
    assert list(outside.iterdir()) == []


def test_a_link_is_made_of_what_was_found_right_alone(tmp_path: Path, planned: Planner) -> None:
    """Where a named file is another one, or there twice, nothing leads to it."""
    (tmp_path / "secret").write_text("x")
    path = bundled(tmp_path, planned(**SMALL | {"threads": 1}))
    path = with_parts(path, ("material/a", b"other", str(tmp_path / "secret")))
    with pytest.raises(PlanError, match="is another file here"):
        Bundle(path).unpack(tmp_path / "there")
    assert not (tmp_path / "there" / "material" / "a").is_symlink()
    path = with_parts(path, ("material/a", b"x", str(tmp_path / "secret")), ("material/./a", b"y", ""))
    with pytest.raises(PlanError, match="is no part of an experiment"):
        Bundle(path).unpack(tmp_path / "there")
    assert (tmp_path / "secret").read_text() == "x"


@pytest.mark.parametrize(
    "part",
    [
        {"name": 5, "size": 1, "sha256": ""},
        {"name": "material/a", "size": "1", "sha256": ""},
        {"name": "material/a", "size": 1, "sha256": None},
        {"name": "material/a", "size": 1, "sha256": "", "path": 7},
        {"name": "material/a", "size": 1, "sha256": "", "path": "relative"},
        {"name": "material/a\0", "size": 1, "sha256": ""},
        {"name": "material/missing", "size": 1, "sha256": ""},
        {"other": 1},
        "text",
    ],
)
def test_parts_of_another_type_are_refused(tmp_path: Path, planned: Planner, part: object) -> None:
    """What is listed as a part and is none, or is not there, makes a damaged bundle: one line."""
    path = rewritten(bundled(tmp_path, planned(**SMALL | {"threads": 1})), parts=[part])
    with pytest.raises(PlanError, match="is no bundle, or damaged"):
        Bundle(path).unpack(tmp_path / "there")


def test_a_byte_that_changed_is_told_or_means_nothing(tmp_path: Path, planned: Planner) -> None:
    """Wherever a byte of a bundle changes, it is refused in a line, or brings what it brought before."""
    plan = planned(**SMALL | {"data": "digits", "layer_sizes": [64, 8, 10], "threads": 1})
    path = bundled(tmp_path, plan)
    content = path.read_bytes()
    here: Any = plan.data()
    begin = content.index(b"parts.json") - 40  # before it are the data, of which a few bytes will do
    for at in [*range(0, begin, begin // 40), *range(begin, len(content), 3)]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :])
        with contextlib.suppress(PlanError), tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            there: Any = Bundle(path).unpack(Path(folder))
            assert there.sha256() == here.sha256()


@pytest.mark.slow
@pytest.mark.usefixtures("warm_test")
def test_an_onnx_file_comes_through(tmp_path: Path, planned: Planner) -> None:
    """An ONNX file is measured on a machine that does not have it."""
    import onnx  # noqa: PLC0415 - takes long to import
    from onnx import helper, numpy_helper  # noqa: PLC0415

    from made_up_onnx import product  # noqa: PLC0415

    weights = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
    network = product(helper.make_node("MatMul", ["x", "w"], ["y"]), weights)
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "net.onnx"
    onnx.save(network, file)
    path = bundled(tmp_path, planned(model=str(file), threads=1, precision_modes="float32"))
    file.rename(tmp_path / "gone.onnx")
    bundle = Bundle(path)
    material: Any = bundle.unpack(tmp_path / "there")
    made = material_of(bundle.experiment.setups()[0].workload, material)
    trained = made.untrained(bundle.experiment.setups()[0], 0)
    assert trained.onnx_file(tmp_path / "there").exists()
