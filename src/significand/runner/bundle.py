"""What an experiment needs on another machine, in one file: what it is, its data, and the files of its network.

A bundle is a .zip file, nothing in it compressed. ``experiment.json`` says what the experiment is, as the first line of
a journal does; ``parts.json`` lists what comes with it, each part with its SHA-256: the data and what the examination
of a network left (``material``), and the user's own files (``files``, by their paths where they came from). A part of
more than `MOST_BYTES` stays where it is, and each machine checks that the same file is there.
"""

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from significand.plan.experiment import Experiment
from significand.plan.problems import PlanError, shown
from significand.plan.setup import Perceptron
from significand.results.facts import FactsError, check_facts
from significand.results.files import TooLargeError, open_to_read
from significand.results.values import jsonable
from significand.workload.data import Dataset, load_saved
from significand.workload.examined import FACTS, Examined
from significand.workload.given import Data
from significand.workload.held import digest_of
from significand.workload.moved import below, files_to_bring, link_onnx_file, moved

BUNDLE = "experiment.zip"
EXPERIMENT, PARTS, MATERIAL, FILES = "experiment.json", "parts.json", "material", "files"
DATASET = "data.npz"
VERSION = 1

MOST_BYTES = 64_000_000
"""Of what travels, all together. What does not fit stays where it is and is named."""

LARGEST = 2 * MOST_BYTES + 64_000_000
"""Bytes of a bundle that is read: what travels, and what tells of it."""

MOST_MEMBERS = 100_000


@dataclass(frozen=True)
class Part:
    """A file that an experiment needs.

    Attributes
    ----------
    name
        Its name in the bundle, below ``material`` or ``files``.
    size, sha256
        Its bytes, and their digest.
    path
        Where it is on every machine, if it does not travel; else empty.
    """

    name: str
    size: int
    sha256: str
    path: str = ""


def write_bundle(
    target: IO[bytes], facts: Mapping[str, object], data: Data, model: str, aside: Path, into: Path | None = None
) -> list[Part]:
    """Write a bundle; return the parts that do not travel.

    Parameters
    ----------
    target
        A file open for writing.
    facts
        What the experiment is, and the machine with its versions, as in the first line of a journal.
    data
        What the network is measured with.
    model
        What the experiment calls the network.
    aside
        Folder in which machines find data that are too large to travel.
    into
        Where these are put now, to be moved there; made where it is needed. None where nothing is put anywhere.
    """
    parts: list[Part] = []
    room = MOST_BYTES
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path, content in _members(data, model):
            size = len(content) if content is not None else path.stat().st_size
            digest = hashlib.sha256(content).hexdigest() if content is not None else digest_of(path)
            if size <= room:
                room -= size
                archive.writestr(name, content if content is not None else path.read_bytes())
                parts.append(Part(name, size, digest))
            else:
                parts.append(Part(name, size, digest, str(_put_aside(name, path, content, aside, into))))
        archive.writestr(PARTS, json.dumps([asdict(part) for part in parts]))
        archive.writestr(EXPERIMENT, json.dumps(jsonable({"bundle_version": VERSION, **facts}), allow_nan=False))
    return [part for part in parts if part.path]


def _members(data: Data, model: str) -> Iterator[tuple[str, Path, bytes | None]]:
    """Give the name of every part with where it is, or its content where it is nowhere."""
    if data is None:
        return
    if isinstance(data, Dataset):
        buffer = io.BytesIO()
        data.save(buffer)
        yield f"{MATERIAL}/{DATASET}", Path(DATASET), buffer.getvalue()
        return
    examined = Examined.read(data)
    for path in sorted(data.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield f"{MATERIAL}/{path.relative_to(data).as_posix()}", path, None
    for path in files_to_bring(examined, model, MOST_BYTES):
        yield f"{FILES}/{str(path).lstrip('/')}", path, None


def _put_aside(name: str, path: Path, content: bytes | None, aside: Path, into: Path | None) -> Path:
    """Copy data that do not travel; return where they will be found. A user's own file stays where it is."""
    if name.startswith(f"{FILES}/"):
        return path.absolute()
    if into is not None:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            target.write_bytes(content)
        else:
            shutil.copy(path, target)
    return (aside / name).absolute()


class Bundle:
    """A bundle that was read: what the experiment is, and its parts, each checked when it is unpacked.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    facts
        What the experiment is, and the machine from which it was sent.
    experiment
        The experiment.

    Raises
    ------
    PlanError
        Where it is no bundle, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open_to_read(path, LARGEST, "give the bundle of an experiment") as file:
                self._content = file.read()
        except OSError as error:
            raise PlanError([f"{str(path)!r} cannot be read ({error.strerror}); give a bundle or its folder"]) from None
        except TooLargeError as error:
            raise PlanError([str(error)]) from None
        with self._reading():
            self.facts = self._object(EXPERIMENT)
            self._check_version(self.facts.pop("bundle_version", None))
            self._parts = [_part(told) for told in self._list(PARTS)]
            self.experiment: Experiment = check_facts(path, self.facts)

    def unpack(self, folder: Path) -> Data:
        """Return what the network is measured with, its files put into a new folder.

        Links to what did not travel come last, so that nothing is written through one.

        Raises
        ------
        PlanError
            With a line for everything that is damaged, or not on this machine.
        """
        targets = self._targets(folder)
        problems: list[str] = []
        with self._reading(), zipfile.ZipFile(io.BytesIO(self._content)) as archive:
            for target, part in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                if part.path:
                    problems += _problems_of_named(part)
                    continue
                content = archive.read(part.name)
                if hashlib.sha256(content).hexdigest() != part.sha256:
                    raise self._damaged(f"{part.name} is not what it was")
                target.write_bytes(content)
        if problems:
            raise PlanError(problems)
        for target, part in targets.items():
            if part.path and part.name.startswith(MATERIAL):
                target.symlink_to(part.path)
        with self._reading():
            return self._data(folder)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Say of whatever reading raises that the bundle is damaged, but where it is the disk's fault."""
        try:
            yield
        except FactsError as error:
            raise PlanError(error.problems) from None
        except PlanError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise
            raise self._damaged(str(error)) from None  # zipfile, json and numpy raise many kinds on what is no bundle

    def _check_version(self, version: object) -> None:
        if version != VERSION:
            told = f"has bundle version {shown(version)}, this program reads {VERSION}"
            raise PlanError([f"{str(self.path)!r} {told}; use one version of significand on all machines"])

    def _data(self, folder: Path) -> Data:
        material = folder / MATERIAL
        if not self._parts:
            return None
        if isinstance(self.experiment.workload, Perceptron):
            return load_saved(material / DATASET)
        brought = folder / FILES
        here = {part.name for part in self._parts if not part.path}
        examined, problems = moved(
            Examined.read(material), self.experiment.model, brought, lambda path: f"{FILES}/{path.lstrip('/')}" in here
        )
        if problems:
            raise PlanError(problems)
        (material / FACTS).unlink()
        examined.write(material)
        if self.experiment.workload.is_onnx:
            link_onnx_file(examined, material)
        return material

    def _targets(self, folder: Path) -> dict[Path, Part]:
        """Return where each part is put: all below the folder, and none below another one."""
        targets: dict[Path, Part] = {}
        for part in self._parts:
            top, _, rest = part.name.partition("/")
            target = below(folder / top, rest)
            if top not in {MATERIAL, FILES} or not rest or ".." in Path(rest).parts or target in targets:
                raise self._damaged(f"{shown(part.name)} is no part of an experiment")
            targets[target] = part
        for target, part in targets.items():
            if not targets.keys().isdisjoint(target.parents):
                raise self._damaged(f"{shown(part.name)} is below another part")
        return targets

    def _object(self, name: str) -> dict[str, Any]:
        value = self._json(name)
        if not isinstance(value, dict):
            raise TypeError(f"{name} holds no object")
        return value

    def _list(self, name: str) -> Sequence[Mapping[str, Any]]:
        value = self._json(name)
        if not isinstance(value, list):
            raise TypeError(f"{name} holds no list")
        return value

    def _json(self, name: str) -> object:
        with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
            if len(archive.infolist()) > MOST_MEMBERS or any(one.compress_type for one in archive.infolist()):
                raise ValueError("it is packed otherwise than a bundle is")
            return json.loads(archive.read(name))

    def _damaged(self, cause: str) -> PlanError:
        return PlanError([f"{str(self.path)!r} is no bundle, or damaged ({cause}); write it anew"])


def _part(told: Mapping[str, Any]) -> Part:
    """Return a part from its values, each of its type."""
    texts = (told["name"], told["sha256"], told.get("path", ""))
    if not all(isinstance(one, str) and "\0" not in one for one in texts) or not isinstance(told["size"], int):
        raise TypeError(f"{PARTS} holds no parts")
    part = Part(**told)
    if part.path and not Path(part.path).is_absolute():
        raise ValueError(f"{shown(part.path)} is nowhere")
    return part


def _problems_of_named(part: Part) -> list[str]:
    path = Path(part.path)
    try:
        if path.stat().st_size == part.size and digest_of(path) == part.sha256:
            return []
        told = "is another file here"
    except OSError as error:
        told = f"cannot be read here ({error.strerror})"
    why = f"of more than {MOST_BYTES / 1e6:.0f} MB only the path travels"
    remedy = f"put the file ({part.size / 1e6:.0f} MB) there on every machine, or in a folder that they share"
    return [f"data: {part.path!r} {told}; {why}: {remedy}"]
