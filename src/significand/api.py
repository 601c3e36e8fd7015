"""Any network, from Python: the command's job with functions instead of a file."""

import contextlib
import hashlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from significand.job import run_experiment_in
from significand.meters.openmp import told_of_runs
from significand.plan.problems import PlanError, shown
from significand.result import Result
from significand.workload.examined import NAMES

if TYPE_CHECKING:
    from significand.job import Outcome


def run(
    model: Any = None,  # noqa: ANN401 - a function, a class, a module, or where one is
    data: Any = None,  # noqa: ANN401 - a function, arrays, or a path
    *,
    output_dir: Path | str | None = None,
    resume: bool = False,
    yes: bool = False,
    allow: Sequence[str] = (),
    keep_networks: bool = False,
    **options: object,
) -> Result:
    """Measure a network in several precisions, repeatedly, write the results, and return them.

    Parameters
    ----------
    model
        A function that returns a `torch.nn.Module`, the class of one, a module, or what ``significand run`` takes:
        ``"cnn.py"``, ``"package.module:name"``, ``"net.onnx"``. By default the multilayer perceptron.
    data
        A function that returns inputs and targets, examples first; such a tuple; a `torch.utils.data.Dataset`; or the
        path of a file.
    output_dir, resume, yes, allow
        As for `significand.run_repeated_benchmarks`.
    keep_networks
        Keep the networks that are measured, in the folder's ``networks``. Those of torch are pickles.
    **options
        Further functions, by the names that a file has: ``train_data``, ``test_data``, ``loss``, ``score``,
        ``optimizer``, ``training_loss``. And fields of `significand.plan.experiment.Experiment`: ``epochs``,
        ``precision``, ``engine``, ``batch_size``, ...

    Returns
    -------
    Result
        The tables as data frames; a notebook shows it as a page.

    Raises
    ------
    significand.plan.problems.PlanError
        With one line for every mistake, before anything is measured.
    significand.job.ExperimentInterrupted
        On Ctrl-C, after the runs' processes have ended.

    Warns
    -----
    UserWarning
        As `significand.run_repeated_benchmarks`.
    """
    given = {"model": model, "data": data, **options}
    fields = {name: value for name, value in given.items() if value is not None}
    functions = _functions(fields)
    if overridden := told_of_runs():
        warnings.warn(overridden, stacklevel=2)
    outcome = run_experiment_in(
        output_dir,
        {name: value for name, value in fields.items() if name not in functions} | _source(functions),
        resume=resume,
        yes=yes,
        allow=allow,
        functions=_pickled(functions),
        keep_networks=keep_networks,
    )
    return _result(outcome)


def _functions(fields: Mapping[str, object]) -> dict[str, object]:
    """Return those of the fields that are functions, or stand for one."""
    found = {name: fields[name] for name in NAMES if name in fields and not isinstance(fields[name], str | Path)}
    if found and "model" not in found and "model" in fields:
        told = f"model: {shown(fields['model'])} is a file, which has its own {', '.join(found)}"
        raise PlanError([f"{told}; write them there, or give the model as a function, too"])
    if found and "model" not in found:
        raise PlanError([f"model: nothing is given beside {', '.join(found)}; give a function that returns a network"])
    return found


def _source(functions: Mapping[str, object]) -> dict[str, str]:
    """Return what the model is called where it is a function."""
    if not functions:
        return {}
    model = functions["model"]
    named = model if hasattr(model, "__qualname__") else type(model)
    return {"model": f"{named.__module__}:{named.__qualname__}@{_digest(functions)}"}


def _digest(functions: Mapping[str, object]) -> str:
    """Return what tells functions from what they were before they were edited: resuming and comparing hold it."""
    digest = hashlib.sha256()
    for name, value in sorted(functions.items()):
        digest.update(name.encode())
        with contextlib.suppress(OSError, TypeError):  # arrays, or what was typed into a prompt
            digest.update(inspect.getsource(value).encode())  # type: ignore[arg-type]  # what it is not, raises
    return digest.hexdigest()[:8]


def _pickled(functions: Mapping[str, object]) -> bytes | None:
    if not functions:
        return None
    import cloudpickle  # noqa: PLC0415 - a file needs none

    made = dict(functions)
    for name in ("data", "train_data", "test_data"):
        if name in made and not callable(made[name]):
            made[name] = _Returns(made[name])
    try:
        return bytes(cloudpickle.dumps(made))
    except Exception as error:  # noqa: BLE001 - it raises what it likes
        what = f"{', '.join(functions)} cannot be sent to the runs' processes ({type(error).__name__}: {error})"
        raise PlanError([f"model: {what}; write them into a Python file, and give its path"]) from None


class _Returns:
    """A function without arguments that returns what it was made from."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __call__(self) -> object:
        return self._value


def _result(outcome: "Outcome") -> Result:
    if outcome.report_missing:
        warnings.warn(outcome.report_missing, stacklevel=3)
    return Result(outcome.results)
