"""How to measure the same again, and how to cite it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from significand import __version__
from significand.answers.folder import Folder
from significand.plan.options import LEARNING_RATES, OPTIONS
from significand.present.rows import mapping, visible

TITLE = "significand: what a network gains and loses in another numeric precision"


@dataclass(frozen=True)
class Reproduction:
    """The command that measures the same again, facts that it depends on (name, value), how to cite it, in lines."""

    command: str
    facts: tuple[tuple[str, str], ...]
    citation: str
    bibtex: tuple[str, ...]


def reproduction(results: Folder) -> Reproduction:
    """Say how the results came about."""
    versions = mapping(mapping(results.manifest.get("machine")).get("versions"))
    version = visible(versions.get("significand") or __version__)
    year = visible(results.manifest.get("started_utc") or "")[:4]
    told = f"{TITLE}, version {version}" + (f", {year}" if year else "")
    return Reproduction(
        command=command_line(mapping(results.manifest.get("experiment")) or results.experiment.to_json()),
        facts=tuple(_facts(results.manifest)),
        citation=f"{told}. Cite with it the machine, the engine and the number of runs behind a number.",
        bibtex=(
            "@software{significand,",
            f"  title   = {{{{{TITLE}}}}},",
            f"  version = {{{version}}},",
            *([f"  year    = {{{year}}},"] if year else []),
            "}",
        ),
    )


def command_line(fields: Mapping[str, object]) -> str:
    """Return the command of an experiment: a flag for every field that is not the default.

    Parameters
    ----------
    fields
        Of the experiment, by name, as manifest.json holds them.
    """
    words = ["significand", "run"]
    for name, option in OPTIONS.items():
        value = fields.get(name)
        default = option.default
        if name == "learning_rate":
            default = LEARNING_RATES.get(str(fields.get("optimizer")))
        if value is not None and _written(name, value) != _written(name, default):
            flag, text = f"--{name.replace('_', '-')}", _written(name, value)
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]  # else it is taken for a flag
    return shlex.join(visible(word) for word in words)


def _written(name: str, value: object) -> str:
    if isinstance(value, list | tuple):
        return ("-" if name == "layer_sizes" else ",").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _facts(manifest: Mapping[str, object]) -> list[tuple[str, str]]:
    facts = []
    revision = mapping(manifest.get("git_revision"))
    if revision.get("commit"):
        changed = {True: ", with changes that were not committed", None: ", perhaps with changes"}
        facts.append(("Git revision", visible(revision["commit"]) + changed.get(revision.get("dirty"), "")))  # type: ignore[call-overload]  # what else it is, is none of them
    for name, title in (("started_utc", "Started"), ("ended_utc", "Ended")):
        if manifest.get(name):
            facts.append((title, f"{visible(manifest[name])[:19].replace('T', ' ')} UTC"))
    if manifest.get("data_sha256"):
        facts.append(("SHA-256 of the data", visible(manifest["data_sha256"])))
    return facts
