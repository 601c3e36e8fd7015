"""Behaviour of finding a user's functions, and of calling them one by one."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

from significand.workload.examined import ProgramError
from significand.workload.program import Functions, load_functions, new_network, own_files, scored, training_loss

pytestmark = pytest.mark.slow

MODEL = "from torch import nn\ndef model(width=4):\n    return nn.Linear(width, 3)\n"

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a user's file into the working directory; what it imports is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), dict(sys.modules)

    def write(text: str = MODEL, name: str = "net.py") -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return name

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if (file := getattr(sys.modules[name], "__file__", None)) and file.startswith(str(tmp_path)):
            del sys.modules[name]


def refusal(call: Callable[[], object]) -> str:
    """Return the one line of what is refused."""
    with pytest.raises(ProgramError) as caught:
        call()
    [line] = caught.value.problems
    assert "\n" not in line
    return line


def functions(model: object = None, **given: Any) -> Functions:  # noqa: ANN401
    """Return functions that were not read from a file."""
    return Functions("net.py", None, model, **given)


def test_functions_are_found_by_their_names(write: Write) -> None:
    """What a file defines under the usual names is taken, and nothing else has to be there."""
    found = load_functions(write(MODEL + "def data(): return 1\ndef other(): ...\n"))
    assert found.data() == 1
    assert found.model().out_features == 3
    assert found.loss is found.score is found.train_data is None
    assert found.folder == Path.cwd()


def test_classes_where_functions_are_wanted_are_refused(write: Write) -> None:
    """A loss without its parentheses would only make an object; the class of a network is one that makes it."""
    write(MODEL + "loss = nn.CrossEntropyLoss\n")
    told = "net.py: loss is the class CrossEntropyLoss; a function, or an object that can be called, is wanted"
    assert refusal(lambda: load_functions("net.py")) == told


def test_a_compiled_network_is_refused() -> None:
    """Every run would compile it again, and what is measured would be another."""
    compiled = nn.Linear(4, 3)
    compiled.__dict__["_orig_mod"] = nn.Linear(4, 3)  # as torch.compile does it, in twenty seconds
    assert "model() gives a compiled network" in refusal(lambda: new_network(functions(lambda: compiled), {}, 1))


def test_a_name_after_the_colon_gives_the_model(write: Write) -> None:
    """Another function, class or object than `model` can be named; the other functions are those of the same file."""
    write("from torch import nn\nclass Net(nn.Linear): ...\nnet = Net(2, 2)\ndef data(): return 7\n")
    for name, options in {"Net": {"in_features": 2, "out_features": 2}, "net": {}}.items():
        found = load_functions(f"net.py:{name}")
        assert isinstance(new_network(found, options, 1), nn.Linear)
    assert found.data() == 7


@pytest.mark.parametrize("source", ["mine.nets", "mine.nets:model", "mine/nets.py", "./mine/nets.py:model"])
def test_modules_and_files_are_named_alike(write: Write, source: str) -> None:
    """A module by its dotted name is found in the working directory, and so is a file by its path."""
    write("", "mine/__init__.py")
    write(MODEL, "mine/nets.py")
    assert load_functions(source).model().in_features == 4


def test_a_built_in_network_goes_by_its_name() -> None:
    """`cnn` is a module of ours, of which its own file counts."""
    found = load_functions("cnn")
    assert new_network(found, {}, 1).training
    assert "cnn.py" in digests(found)
    assert not any("program" in name for name in digests(found))


def test_functions_of_a_notebook_come_pickled(write: Write) -> None:
    """Functions that no file holds arrive by name; the working directory is where their helpers are."""
    write("WIDTH = 5\n", "my_width.py")

    def model() -> nn.Module:
        import my_width  # type: ignore[import-not-found]  # noqa: PLC0415

        return nn.Linear(my_width.WIDTH, 1)

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    pickled = cloudpickle.dumps({"model": model})
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert new_network(load_functions("notebook", pickled), {}, 1).in_features == 5
    assert "dict of functions" in refusal(lambda: load_functions("notebook", cloudpickle.dumps([1])))
    assert "unpickling notebook" in refusal(lambda: load_functions("notebook", b"\x80garbage"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def Model(): ...", "net.py: has no model() (did you mean net.py:Model?)"),
        ("def get_model(): ...", "did you mean net.py:get_model?"),
        ("from torch import nn\nclass Net(nn.Module): ...", "did you mean net.py:Net?"),
        ("from torch.nn import Linear", "net.py: has no model(); write `def model():`"),
        ("def model(: pass", "net.py: line 1 is no Python (invalid syntax"),
        ("x = '\0'", "Python"),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind' (net.py:1); install it"),
        ("1 / 0", "importing net.py raised ZeroDivisionError: division by zero (net.py:1)"),
        ("import sys; sys.exit(3)", "importing net.py called sys.exit(3) (net.py:1); put what is for the command line"),
        ("raise KeyboardInterrupt", "importing net.py raised KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", "raised E: what it says cannot be shown"),
        ("raise ValueError('a\\nb' * 10_000)", "raised ValueError: a ba b"),
        (MODEL + "score = 3", "net.py: score is an int; a function is wanted"),
        (MODEL + "def train_data(): ...", "train_data() of the data; data() alone, or train_data() and test_data()"),
        ("(" * 5000, "no Python"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(write: Write, text: str, told: str) -> None:
    """Whatever a file lacks or raises as it is imported is one line of bounded length with the file's name."""
    line = refusal(lambda: load_functions(write(text)))
    assert told in line
    assert len(line) < 1000


def test_several_mistakes_of_a_file_are_told_together(write: Write) -> None:
    """Not one after the other."""
    with pytest.raises(ProgramError) as caught:
        load_functions(write("score = 3\nloss = 'mse'\ndef test_data(): ...\n"))
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("ne.py", "there is no such file (did you mean 'net.py'?)"),
        ("folder/", "is a folder"),
        ("notes.txt", "no Python file by its name"),
        ("net.py:", "names no function after the colon"),
        ("net.py:a b", "names no function after the colon"),
        ("net.py:modle", "has no modle() (did you mean net.py:model?)"),
        ("pipe.py", "no regular file"),
        ("no_such.module", "no_such.module: there is no such module, neither in"),
        ("no such", "neither a Python file nor a module"),
        ("x" * 5000 + ".py", "cannot be read as Python"),
        ("a\0.py", "cannot be read as Python"),
        ("latin.py", "no Python"),
        ("math", "math: has no model()"),
    ],
)
def test_a_source_that_names_nothing_is_told_in_one_line(write: Write, source: str, told: str) -> None:
    """Missing, misspelt and special files, and modules that are not there."""
    write()
    write("text", "notes.txt")
    Path("folder").mkdir()
    Path("latin.py").write_bytes(b"x = '\xe9'")
    os.mkfifo("pipe.py")
    assert told in refusal(lambda: load_functions(source))


def test_only_the_users_own_frames_are_in_the_traceback(write: Write) -> None:
    """Neither torch's frames nor ours are shown."""
    write("def fail(x):\n    return x @ x\n", "helper.py")
    found = load_functions(
        write("import torch, helper\nfrom torch import nn\ndef model():\n    return helper.fail(torch.ones(2, 3))\n")
    )
    with pytest.raises(ProgramError) as caught:
        new_network(found, {}, 1)
    assert "(helper.py:2)" in caught.value.problems[0]
    assert "return helper.fail" in caught.value.trace
    assert "return x @ x" in caught.value.trace
    assert "site-packages" not in caught.value.trace
    assert "significand/workload" not in caught.value.trace


def test_a_file_beside_the_users_takes_the_place_of_nothing_of_pythons(write: Write) -> None:
    """Helpers are found, yet a `wave.py` there is not what Python's own modules import."""
    write("X = 1\n", "wave.py")
    write("X = 2\n", "my_helper.py")
    found = load_functions(write(MODEL + "import wave, my_helper\nseen = hasattr(wave, 'open'), my_helper.X\n"))
    assert found.model.__globals__["seen"] == (True, 2)


def test_a_change_of_the_file_is_seen_at_once(write: Write) -> None:
    """No cached byte code of a moment ago is run, nor any left behind."""
    for width in (4, 5):
        assert load_functions(write(MODEL.replace("4", str(width)))).model().in_features == width
    assert not Path("__pycache__").exists()


def test_modules_named_like_functions_are_none(write: Write) -> None:
    """`from torch.utils import data` does not make a `data` function."""
    assert load_functions(write("from torch.utils import data\n" + MODEL)).data is None


def test_a_misspelt_function_is_noticed(write: Write) -> None:
    """`optimiser` would otherwise silently do nothing."""
    assert load_functions(write(MODEL + "def optimiser(m): ...\n")).unused == (("optimiser", "optimizer"),)


def digests(functions: Functions) -> dict[str, str]:
    """Return the digests of the user's files by name."""
    return {file.name: file.sha256 for file in own_files(functions)}


def test_the_users_files_are_known_by_their_content(write: Write) -> None:
    """The file and what it imports from its folder count; installed packages and environments there do not."""
    write("X = 1\n", "parts/__init__.py")
    write("X = 1\n", "env/lib/python3/site-packages/installed_there.py")
    write("X = 1\n", "never_imported.py")
    found = load_functions(
        write("import sys\nsys.path.append('env/lib/python3/site-packages')\nimport parts, installed_there\n" + MODEL)
    )
    before = digests(found)
    assert set(before) == {"net.py", "parts/__init__.py"}
    write("X = 2\n", "parts/__init__.py")
    after = digests(found)
    assert after["net.py"] == before["net.py"]
    assert after["parts/__init__.py"] != before["parts/__init__.py"]


def test_of_an_installed_module_only_itself_counts(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package's own modules are the user's, what is installed beside them is not."""
    folder = Path.cwd() / "site-packages"
    monkeypatch.syspath_prepend(str(folder))
    write("X = 1\n", "site-packages/beside.py")
    write("import beside\n" + MODEL, "site-packages/alone.py")
    write("import beside\n", "site-packages/several/__init__.py")
    write(MODEL, "site-packages/several/nets.py")
    assert list(digests(load_functions("alone"))) == ["alone.py"]
    assert list(digests(load_functions("several.nets"))) == ["__init__.py", "nets.py"]


def test_a_seed_decides_the_weights_and_disturbs_nothing() -> None:
    """The global generators are seeded for the network alone."""
    made = functions(model=lambda: nn.Linear(int(np.random.randint(3, 9)), random.randint(3, 9)))  # noqa: NPY002, S311
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    first, again, other = (new_network(made, {}, seed) for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)  # type: ignore[arg-type]
    assert first.weight.shape != other.weight.shape or not torch.equal(first.weight, other.weight)  # type: ignore[arg-type]
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    assert states[2] == random.getstate()


def test_a_network_that_is_an_object_is_copied() -> None:
    """Training one run's network leaves the next run's alone."""
    network = nn.Linear(2, 2)
    copy = new_network(functions(model=network), {}, 1)
    assert copy is not network
    assert torch.equal(copy.weight, network.weight)  # type: ignore[arg-type]
    assert "takes no width" in refusal(lambda: new_network(functions(model=network), {"width": 3}, 1))


def test_what_the_users_code_sets_is_set_back(tmp_path: Path) -> None:
    """Working directory, torch's default type and number of threads are as before."""
    before = Path.cwd(), torch.get_default_dtype(), torch.get_num_threads()

    def model() -> nn.Module:
        os.chdir(tmp_path)
        network = nn.Linear(1, 1)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(3)
        return network

    new_network(functions(model=model), {}, 1)
    assert before == (Path.cwd(), torch.get_default_dtype(), torch.get_num_threads())


def takes(width: int, depth: int = 1) -> nn.Module:
    return nn.Linear(width, depth)


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        (takes, {"width": 2, "depht": 3}, "model() takes no 'depht' (did you mean 'depth'?); it takes width, depth"),
        (takes, {}, "model() needs 'width'; set it (--set width=...) or give it a default"),
        (takes, {"width": "wide"}, "model() raised TypeError"),
        (lambda: 3, {}, "model() gives an int; a torch.nn.Module is wanted"),
        (lambda: None, {}, "model() gives nothing (None)"),
        (lambda: nn.Linear, {}, "model() gives a type"),
        (lambda: sys.exit("no"), {}, "model() called sys.exit(no)"),
        (lambda: next(iter(())), {}, "model() raised StopIteration"),
        (lambda: nn.Linear(2, 2, device="meta"), {}, "is wanted"),
        (lambda: nn.LazyLinear(2), {}, "has no shape yet"),
        (
            lambda: nn.Linear(2, 1, bias=False).double(),
            {},
            "model() has weight in torch.float64; return its network.float()",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_a_model_that_makes_no_network_is_told(model: object, options: dict[str, object], told: str) -> None:
    """Whatever comes instead of a network on the CPU in float32 is named."""
    with pytest.raises(ProgramError) as caught:
        new_network(functions(model=model), options, 1)
    assert told in str(caught.value) or "on meta; leave it on the CPU" in str(caught.value)


def test_default_score_of_classes_is_right_or_wrong() -> None:
    """Of several positions an example has the share that is right."""
    outputs = torch.tensor([[[0.0, 1], [1, 0]], [[1, 1], [0, 0]]])  # (examples, classes, positions)
    assert scored(functions(), outputs, torch.tensor([[1, 0], [1, 0]])).tolist() == [1, 0.5]
    assert scored(functions(), torch.eye(3), torch.tensor([0, 2, 2])).tolist() == [1, 0, 1]


def test_default_score_of_real_targets_has_r2_as_its_mean() -> None:
    """As scikit-learn reckons it, also where the output has a last axis of one."""
    from sklearn.metrics import r2_score  # noqa: PLC0415 - takes a second

    target = torch.randn(50, generator=torch.Generator().manual_seed(1))
    output = target + 0.3
    values = scored(functions(), output.unsqueeze(1), target)
    assert values.shape == (50,)
    assert values.mean() == pytest.approx(r2_score(target, output))


def test_defaults_reach_into_what_a_network_gives() -> None:
    """One tensor in a dict or tuple is the output, as of Hugging Face's."""
    target = torch.tensor([0, 1, 2])
    assert scored(functions(), {"logits": torch.eye(3)}, target).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (lambda o, t: o.argmax(1) == t, (3,)),
        (lambda o, t: (o.argmax(1) == t).float().unsqueeze(1), (3,)),
        (lambda o, t: [1, 0, 1], (3,)),  # noqa: ARG005
        (lambda o, t: 0.5, ()),  # noqa: ARG005
        (lambda o, t: torch.tensor(0.5, dtype=torch.bfloat16), ()),  # noqa: ARG005
    ],
)
def test_a_users_score_may_come_in_any_form_of_numbers(given: object, shape: tuple[int, ...]) -> None:
    """One for each example, or one for all."""
    values = scored(functions(score=given), torch.eye(3), torch.tensor([0, 1, 2]))
    assert values.shape == shape
    assert values.dtype == np.float64


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        (lambda: [1, 2], "score() gives values of shape (2,) for 3 examples"),
        (lambda: None, "score() gives nothing (None)"),
        (lambda: "good", "score() gives a str"),
        (lambda: {1.0}, "score() gives a set"),
        (lambda: [1, [2]], "score() gives a list that is no array"),
        (lambda: float("nan"), "score() gives nan; only finite"),
        (lambda: [1, 2, float("inf")], "score() gives inf"),
        (lambda: 1 / 0, "score() raised ZeroDivisionError"),
        (lambda: torch.ones(3).to_sparse(), "is no array"),
    ],
)
def test_what_is_no_score_is_told(gives: Callable[[], object], told: str) -> None:
    """Wrong lengths, types and numbers that cannot be compared."""
    score = functions(score=lambda _outputs, _targets: gives())
    assert told in refusal(lambda: scored(score, torch.eye(3), torch.tensor([0, 1, 2])))


@pytest.mark.parametrize(
    ("outputs", "targets", "told"),
    [
        (torch.ones(4, 2), torch.ones(4), "real targets of shape (4,) do not fit; equal shapes are wanted"),
        (torch.ones(4), torch.ones(4).long(), "integer targets of shape (4,) do not fit; (N, classes, ...)"),
        ((torch.ones(4, 2),) * 2, torch.ones(4).long(), "2 outputs and 1 targets have no default; write loss"),
        (torch.ones(4), torch.ones(4), "all the same, so that R² is not defined"),
    ],
)
def test_outputs_that_no_default_suits_are_told(outputs: object, targets: object, told: str) -> None:
    """Shapes are named, and what to write."""
    assert told in refusal(lambda: scored(functions(), outputs, targets))


def test_the_loss_is_taken_by_default_or_from_the_user() -> None:
    """Cross-entropy, mean squared error, the user's loss, or their whole step."""
    network, x = nn.Linear(2, 3), torch.ones(4, 2)
    classes, numbers = torch.tensor([0, 1, 2, 0]), torch.ones(4, 3, dtype=torch.float64)
    cross_entropy = nn.functional.cross_entropy(network(x), classes)
    assert torch.equal(training_loss(functions(), network, x, classes), cross_entropy)
    squared = nn.functional.mse_loss(network(x), numbers.float())
    assert torch.equal(training_loss(functions(), network, x, numbers), squared)
    assert training_loss(functions(loss=lambda o, t: "loss"), network, x, classes) == "loss"  # noqa: ARG005
    step = functions(training_loss=lambda m, i, t: (m is network, i is x, t is classes))
    assert training_loss(step, network, x, classes) == (True,) * 3


def test_under_autocast_the_loss_is_taken_in_float32() -> None:
    """The network computes in bfloat16, and the user's loss does not see it."""
    seen = []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return (outputs - targets).mean()

    with torch.autocast("cpu", torch.bfloat16):
        training_loss(functions(loss=loss), nn.Linear(2, 1), torch.ones(4, 2), torch.ones(4, 1))
    assert seen == [(torch.float32, False)]


def test_inputs_reach_the_network_in_the_users_form() -> None:
    """A dict as keyword arguments, a tuple as several."""

    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x - y

    three, one, zeros = torch.full((2, 1), 3.0), torch.ones(2, 1), torch.zeros(2, 1)
    for inputs in ((three, one), {"y": one, "x": three}):
        assert training_loss(functions(), Two(), inputs, zeros) == 4


def test_functions_are_found_without_importing_torch(tmp_path: Path) -> None:
    """A process that only needs to know the names need not wait for torch."""
    code = "import sys, significand.workload.program; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.lower()) is False
