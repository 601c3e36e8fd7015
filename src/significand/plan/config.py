"""Reading the fields of an experiment from a file."""

import codecs
import tomllib
from pathlib import Path
from typing import Any

from significand.plan.options import BUILT_IN_DATA
from significand.plan.paths import expanded
from significand.plan.problems import PlanError, shown

LARGEST = 1_000_000
"""Bytes of a TOML file, at most."""

MOST_DOTS = 100
"""In a line of it."""


def read_config(path: Path) -> dict[str, Any]:
    """Read the fields of an experiment from a TOML file.

    Paths in it are taken relative to the folder of the file; ``~`` is the home folder.

    Raises
    ------
    PlanError
        When the file cannot be read or is not TOML, or output_dir is no text. Unknown keys are left to
        `plan_experiment`.
    """
    path = Path(expanded("config", str(path)))
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise PlanError([f"config: {str(path)!r} is not a file; give the path of a TOML file"])
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise PlanError(
            [f"config: {str(path)!r} cannot be read ({error.strerror}); give the path of a TOML file"]
        ) from None
    fields = _parsed(path, content)
    if not isinstance(fields.get("output_dir", ""), str):
        raise PlanError([f"output_dir: {shown(fields['output_dir'])} is not a text; give the path of a folder"])
    if fields.get("output_dir") == "":
        raise PlanError(["output_dir: '' is not a path; give the path of a folder, . for that of the TOML file"])
    for name, no_paths in (("data", BUILT_IN_DATA), ("output_dir", ()), ("against", ())):
        value = fields.get(name)
        if isinstance(value, str) and value not in no_paths:
            fields[name] = str(path.parent / expanded(name, value))
    return fields


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    name = f"config: {str(path)!r}"
    if len(content) > LARGEST:
        raise PlanError([f"{name} has more than {LARGEST} bytes; give a TOML file with the fields of an experiment"])
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        raise PlanError([f"{name} is in UTF-16 or UTF-32; save it as UTF-8"])
    try:
        text = content.decode("utf-8-sig")  # some editors put a byte order mark before UTF-8, too
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PlanError([f"{name} is not in UTF-8 ({error.reason} in line {line}); save it as UTF-8"]) from None
    # The parser's time and memory grow with the square of the names in a dotted key.
    for number, words in enumerate(text.split("\n"), 1):
        if words.count(".") > MOST_DOTS:
            raise PlanError([f"{name} has more than {MOST_DOTS} dots in line {number}; write fields as name = value"])
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not TOML, a number of thousands of digits, deep nesting
        raise PlanError([f"{name} is not valid TOML ({error}); correct it there"]) from None
