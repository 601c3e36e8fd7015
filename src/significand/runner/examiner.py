"""The process in which a user's functions are examined: it calls them, tells what came of it, and ends."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any, Never

from significand.plan.kinds import settings
from significand.plan.setup import is_onnx
from significand.runner.examination import DOING, REQUEST, RESULT, Request
from significand.workload.arrays import load_arrays
from significand.workload.examined import Examined, ProgramError, structure_of, why_no
from significand.workload.held import Held
from significand.workload.onnx_file import OnnxFileError
from significand.workload.opened import Opened
from significand.workload.program import Functions, load_functions, new_network, own_files
from significand.workload.reading import read_file
from significand.workload.trial import Data, examine, weights_sha256


def main(scratch: str) -> Never:
    """Examine what is asked for in a folder, and leave the result there."""
    status = 1
    try:
        _Examiner(Path(scratch)).work()
        status = 0
    except BaseException:  # noqa: BLE001 - a mistake of ours, which the conductor shows as a process that has died
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)  # the user's threads, and whatever is to be called at exit, may never end


class _Examiner:
    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._pid = os.getpid()
        self._here = os.getcwd()  # noqa: PTH109 - the user's, as a text
        self._request: Request = pickle.loads((scratch / REQUEST).read_bytes())  # noqa: S301 - the conductor's

    def work(self) -> None:
        try:
            if is_onnx(self._request.source):
                self._write(RESULT, json.dumps(self._examine_file()))
                return
            data = read_file(self._request.data) if self._request.data else None
            self._opened = Opened()
            functions = self._load()
            examined = self._examine(functions, data)
        except (ProgramError, OnnxFileError) as error:
            self._write(RESULT, json.dumps({"problems": error.problems, "trace": getattr(error, "trace", "")}))
            return
        self._write(RESULT, json.dumps(examined.to_json()))
        for number in range(len(self._request.options)) if self._request.export else ():
            self._export(functions, number)

    def _load(self) -> Functions:
        self._doing(f"importing {self._request.source}")
        return load_functions(self._request.source, self._request.pickled)

    def _examine(self, functions: Functions, data: Data | None) -> Examined:
        asked = self._request
        first, *others = map(settings, asked.options)
        found = examine(functions, first, asked.folder, asked.seed, asked.batch_size, asked.epochs, data, self._doing)
        weights = [found.weights_sha256]
        for options in others:
            self._doing("model()")
            weights.append(weights_sha256(new_network(functions, options, asked.seed)))
        of_data = [Held.of("", asked.data, for_runs=False)] if asked.data else []
        return dataclasses.replace(
            found,
            options=asked.options,
            working_directory=self._here,
            held=(*own_files(functions), *self._opened.held(functions.folder), *of_data),
            weights_sha256=weights[0] if len(weights) == 1 else hashlib.sha256("".join(weights).encode()).hexdigest(),
        )

    def _examine_file(self) -> dict[str, Any]:
        from significand.workload.trial_onnx import examine_file  # noqa: PLC0415 - of few requests

        asked = self._request
        self._write(DOING, "the file")
        return examine_file(Path(asked.source), asked.folder, asked.data, asked.shape, asked.seed).to_json()

    def _export(self, functions: Functions, number: int) -> None:
        """Export the network; what cannot be is a matter of the modes that need it."""
        folder, structure = self._request.folder, structure_of(self._request.folder, number)
        unfinished = structure.with_suffix(".part")
        try:
            from significand.workload.export import check_structure, export  # noqa: PLC0415 - takes seconds

            network = new_network(functions, settings(self._request.options[number]), self._request.seed)
            example = load_arrays(folder / "train-inputs").take(slice(2))
            export(network, example, unfinished)
            check_structure(network, example, unfinished)
            unfinished.rename(structure)
        except Exception as error:  # noqa: BLE001 - whatever it is, only what needs the export is hit
            why_no(structure).write_text(str(error), "utf-8")

    def _doing(self, what: str) -> None:
        self._opened.doing(what)
        self._write(DOING, what)

    def _write(self, name: str, text: str) -> None:
        """Write a file at once as a whole; a fork that the user's code has made, and that comes here, ends."""
        if os.getpid() != self._pid:
            os._exit(0)
        unfinished = self._scratch / f"{name}.part"
        unfinished.write_text(text, "utf-8")
        unfinished.replace(self._scratch / name)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the user's code has closed or replaced it
            stream.flush()
