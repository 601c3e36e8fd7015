"""Packages that add engines, put where an installer puts them."""

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).parent / "example_engine"
GROUP = "significand.engines"


def installed(into: Path, module: str = "") -> Path:
    """Put the example package's module, or another text in its place, and its metadata into a folder, and return it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    write_metadata(into, project["name"], project["version"], project["entry-points"][GROUP])
    shutil.copy(EXAMPLE / "significand_numpy_engine.py", into)
    if module:
        (into / "significand_numpy_engine.py").write_text(module)
    return into


def write_metadata(into: Path, name: str, version: str, points: Mapping[str, str]) -> None:
    """Write what tells importlib of a package and of its engines."""
    info = into / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
