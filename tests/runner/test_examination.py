"""Behaviour of the process in which a user's functions are examined: whatever it comes to, it is one line."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from conftest import eventually
from significand.runner.examination import Request, examination
from significand.workload.arrays import load_arrays
from significand.workload.examined import ProgramError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm", "no_orphans"),
]

FILE = """
import os, signal, sys, threading, time
import numpy as np
from torch import nn
{first}
def model():
    {model}
    return nn.Linear(4, 3)
def data():
    {data}
    return np.eye(12, 4), np.arange(12) % 3
"""

Check = Callable[..., Request]


@pytest.fixture
def asked(tmp_path: Path) -> Check:
    """Write a user's file, and return what asks for its examination."""
    (tmp_path / "out").mkdir()

    def asked(first: str = "", model: str = "", data: str = "", *, export: bool = False) -> Request:
        (tmp_path / "net.py").write_text(FILE.format(first=first, model=model, data=data))
        return Request("net.py", tmp_path / "out", ("",), seed=1, batch_size=4, epochs=1, export=export)

    return asked


def refusal(request: Request, cwd: Path, timeout_s: float = 60.0) -> str:
    """Return the one line of what is refused."""
    with pytest.raises(ProgramError) as caught:
        examination(request, cwd, timeout_s)
    [line] = caught.value.problems
    assert "\n" not in line
    return line


def test_others_get_ready_while_a_network_is_exported(asked: Check, tmp_path: Path) -> None:
    """When all else is right, once; not before, and not where nothing is exported."""
    calls: list[bool] = []

    def meanwhile(exports: Callable[[], bool]) -> None:
        calls.append(exports() and not (tmp_path / "out" / "structure-0").exists())

    def anew() -> None:
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()

    examination(asked(), tmp_path, meanwhile=meanwhile)
    assert not calls
    anew()
    with pytest.raises(ProgramError):
        examination(asked(model="return 7", export=True), tmp_path, meanwhile=meanwhile)
    assert not calls
    anew()
    examination(asked(export=True), tmp_path, meanwhile=meanwhile)
    assert calls == [True]
    assert (tmp_path / "out" / "structure-0").exists()


@pytest.mark.usefixtures("cold_test")  # what importing torch opens and starts is no business of the user's
def test_functions_that_fit_are_described(
    asked: Check, tmp_path: Path, scratch: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The description comes back, data and structure are saved; what the functions print is on standard error."""
    request = asked("print('hello')", "os.chdir('/'); os.system('echo from a child')", export=True)
    found = examination(request, tmp_path)
    assert (found.n_train, found.classes, list(found.files)) == (12, 3, ["net.py"])
    assert not found.threads_started
    kept = ["examined.json", "outputs.pkl", "structure-0", "train-inputs", "train-targets"]
    assert sorted(one.name for one in request.folder.iterdir()) == kept
    assert load_arrays(request.folder / "train-inputs").by_name["input"].shape == (12, 4)
    said = capfd.readouterr()
    assert said.out == ""
    assert "hello" in said.err
    assert "from a child" in said.err
    assert not list(scratch.iterdir())


def test_mistakes_travel_with_their_traceback(asked: Check, tmp_path: Path) -> None:
    """All lines come back, and the user's own frames."""
    request = asked(model="raise ValueError('so')", data="return 3")
    with pytest.raises(ProgramError) as caught:
        examination(request, tmp_path)
    assert caught.value.problems[0] == "model() raised ValueError: so (net.py:7)"
    assert caught.value.problems[1].startswith("data() gives an int")
    assert "raise ValueError('so')" in caught.value.trace


@pytest.mark.parametrize(
    ("where", "does", "told"),
    [
        ("model", "os._exit(0)", "net.py: in model() the process ended with exit status 0; the check cannot go on"),
        ("data", "os._exit(3)", "net.py: in data() the process ended with exit status 3"),
        (
            "first",
            "os.kill(os.getpid(), signal.SIGSEGV)",
            "net.py: in importing net.py the process was killed by SIGSEGV",
        ),
        ("model", "os.killpg(0, signal.SIGKILL)", "in model() the process was killed by SIGKILL"),
        ("data", "input('your name? ')", "data() raised EOFError"),
    ],
)
def test_however_the_process_ends_it_is_one_line(
    asked: Check, tmp_path: Path, scratch: Path, where: str, does: str, told: str
) -> None:
    """Crashes, signals and ends of all kinds are told with the function that was being called."""
    assert told in refusal(asked(**{where: does}), tmp_path)
    assert not list(scratch.iterdir())


def test_a_function_that_hangs_is_ended_with_all_it_has_started(asked: Check, tmp_path: Path) -> None:
    """After the time that the line says; children, too."""
    line = refusal(asked(model="os.system('sleep 600')"), tmp_path, 15)
    assert "in model() the process has not ended after 15 s and was ended" in line


def test_what_a_function_does_on_the_side_is_harmless(asked: Check, tmp_path: Path) -> None:
    """Forks, threads that never end, what is to be done at exit, and closed streams."""
    model = """threading.Thread(target=time.sleep, args=(600,)).start()
    __import__("atexit").register(time.sleep, 600)
    sys.stdout.close()
    sys.stderr = None
    os.fork()
    os.fork() or time.sleep(600)"""
    assert examination(asked(model=model), tmp_path).threads_started


def test_threads_that_importing_starts_are_noticed(asked: Check, tmp_path: Path) -> None:
    """A fork would lose them."""
    thread = "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    assert examination(asked(thread), tmp_path).threads_started


def test_files_that_a_network_is_made_from_are_held(asked: Check, tmp_path: Path) -> None:
    """What model(), importing and data() open for reading, each by the name that its user knows.

    Not what they write, what the machine or Python has, and what belongs to some program.
    """
    for name in ("weights.npy", "scale.npy", "x.npy", "sub/table.npy", ".cache/other.npy", "first_seen.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, np.ones(3))
    outside = tmp_path.with_name(f"{tmp_path.name}-outside.npy")
    np.save(outside, np.ones(3))
    model = f"""np.load("weights.npy"); np.load({str(outside)!r}); np.load(".cache/other.npy")
    open("/etc/passwd").read(); np.save("made.npy", np.ones(2)); np.load("made.npy")
    open("nowhere") if os.path.exists("nowhere") else None"""
    first = "scale = np.load('scale.npy'); os.chdir('sub'); np.load('table.npy'); os.chdir('..')"
    found = examination(asked(first, model, "np.load('x.npy'); np.load('weights.npy')"), tmp_path)
    for_runs = {"net.py", "weights.npy", "scale.npy", "sub/table.npy", str(outside)}
    assert {file.name for file in found.held if file.for_runs} == for_runs
    assert {file.name for file in found.held if not file.for_runs} == {"x.npy"}
    assert found.files["x.npy"] == hashlib.sha256((tmp_path / "x.npy").read_bytes()).hexdigest()


def test_many_files_of_data_are_one(asked: Check, tmp_path: Path) -> None:
    """A folder of images has one digest, which each of them changes."""
    for number in range(40):
        (tmp_path / f"{number}.txt").write_text("1")
    digests = []
    for text in ("1", "2"):
        (tmp_path / "17.txt").write_text(text)
        os.utime(tmp_path / "17.txt", ns=(1, 1))
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()
        found = examination(asked(data="[open(f'{at}.txt').read() for at in range(40)]"), tmp_path)
        assert list(found.files) == ["net.py", "data(): all files"]
        digests.append(found.files["data(): all files"])
    assert digests[0] != digests[1]


def test_weights_are_known_wherever_they_come_from(asked: Check, tmp_path: Path) -> None:
    """Safetensors reads its file without Python's knowledge: the weights tell what the files do not."""
    digests = []
    for scale in (1.0, 2.0):
        save_file({"weight": torch.full((3, 4), scale), "bias": torch.zeros(3)}, tmp_path / "w.safetensors")
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()
        load = "net = nn.Linear(4, 3); net.load_state_dict(load_file('w.safetensors')); return net"
        found = examination(asked("from safetensors.torch import load_file", load), tmp_path)
        digests.append(found.weights_sha256)
    assert digests[0] != digests[1]


IF = """
class Net(nn.Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 1e9 else super().forward(x) * 2
"""
DIES = """
class Net(nn.Linear):
    def forward(self, x):
        import torch
        if torch.compiler.is_exporting(): os._exit(4)
        return super().forward(x)
"""


@pytest.mark.parametrize(("network", "told"), [(IF, "net.py:8"), (DIES, "the process that exports it ended with")])
def test_an_export_that_fails_leaves_its_reason(asked: Check, tmp_path: Path, network: str, told: str) -> None:
    """The examination holds, even where the export ends the process."""
    request = asked(network, "return Net(4, 3)", export=True)
    assert examination(request, tmp_path).n_train == 12
    assert told in (request.folder / "structure-0.txt").read_text()
    assert not (request.folder / "structure-0").exists()


def test_a_working_directory_that_is_gone_is_told(asked: Check, tmp_path: Path) -> None:
    """There is nowhere to stand."""
    assert "the check cannot start in" in refusal(asked(), tmp_path / "gone")


ENDED = """
import sys
from pathlib import Path
from significand.runner.examination import Request, examination
if __name__ == "__main__":
    try:
        examination(Request("net.py", Path("out"), ("",), 1, 4, 1), Path.cwd())
    except KeyboardInterrupt:
        sys.exit(77)
"""


@pytest.mark.parametrize(("sends", "status"), [(signal.SIGINT, 77), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_examination_ends_with_the_program(
    asked: Check, tmp_path: Path, scratch: Path, sends: signal.Signals, status: int
) -> None:
    """At Ctrl-C, and where the program is killed: no process and no file of ours remains."""
    asked(model="open('mine', 'w').write(str(os.getpid())); time.sleep(600)")
    pid = tmp_path / "mine"
    program = subprocess.Popen([sys.executable, "-c", ENDED], cwd=tmp_path)
    assert eventually(lambda: pid.exists() and pid.read_text() != "", 60)
    program.send_signal(sends)
    assert program.wait(20) == status

    def is_gone() -> bool:
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return True
        return False

    assert eventually(is_gone)
    assert eventually(lambda: not list(scratch.iterdir()))
