"""Reading the fields of an experiment from a file."""

import tomllib
from pathlib import Path
from typing import Any

from significand.plan.options import BUILT_IN_DATA
from significand.plan.problems import PlanError, shown


def read_config(path: Path) -> dict[str, Any]:
    """Read the fields of an experiment from a TOML file.

    Paths in it are taken relative to the folder of the file.

    Raises
    ------
    PlanError
        When the file cannot be read or is not TOML, or output_dir is no text. Unknown keys are left to
        `plan_experiment`.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise PlanError([f"config: {str(path)!r} is not a file; give the path of a TOML file"])
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(
            [f"config: {str(path)!r} cannot be read ({error.strerror}); give the path of a TOML file"]
        ) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, a number of thousands of digits, deep nesting
        raise PlanError([f"config: {str(path)!r} is not valid TOML ({error}); correct it there"]) from None
    if not isinstance(fields.get("output_dir", ""), str):
        raise PlanError([f"output_dir: {shown(fields['output_dir'])} is not a text; give the path of a folder"])
    for name in ("data", "output_dir"):
        value = fields.get(name)
        if isinstance(value, str) and value not in BUILT_IN_DATA:
            fields[name] = str(path.parent / value)
    return fields
