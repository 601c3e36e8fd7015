"""The README's examples run."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import NO_DATA
from significand.plan.experiment import DataFacts, Surroundings, plan_experiment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm"),
]

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


SHORTLY = 'latency_rounds=2, round_duration_s=0.002, on_noise="mark", '
MEASURED = ('data="digits"', 'engine="torch"')
"""The last argument of the calls that measure."""


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, tmp_path: Path) -> None:
    """Every Python example, measured shortly, runs as a script without a main guard, and prints something."""
    for argument in MEASURED:
        code = code.replace(argument, SHORTLY + argument)
    assert ("run" in code) == (SHORTLY in code)
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_toml_example_is_an_experiment() -> None:
    """The TOML example is accepted as it stands, given such a file."""
    (text,) = blocks("toml")
    fields = tomllib.loads(text)
    assert fields.pop("output_dir")
    facts = Surroundings(NO_DATA.engine_modes, lambda name, column: DataFacts(100, 12, 3))  # noqa: ARG005
    assert plan_experiment(fields, facts).precision_modes == ("float32", "bfloat16", "float16")


def test_links_lead_somewhere() -> None:
    """Every relative link of the README is a file."""
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    assert all((Path(__file__).parents[1] / target).is_file() for target in targets)
