"""What begins warm is like any other process to whoever starts it and to whoever looks at it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("warm", "no_orphans"),
]

TELL = """
import json, os, signal, sys
warm = "torch" in sys.modules
print(json.dumps([
    warm, sys.argv, sys.path[0], os.getcwd(), os.environ.get("SAID"), os.getppid(), os.getsid(0) == os.getpid(),
    sys.stdin.read(), __name__, sorted(os.listdir("/proc/self/fd"))[:-1],
]))
print("to stderr", file=sys.stderr)
sys.exit(3)
"""


def test_it_has_what_it_was_given(tmp_path: Path) -> None:
    """Words, folder, environment, streams, parent, session, exit status, and no file beside."""
    done = subprocess.run(
        [sys.executable, "-c", TELL, "a", "b"],
        input="heard",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"SAID": "so"},
        start_new_session=True,
        check=False,
    )
    us, files = os.getpid(), ["0", "1", "2"]
    expected = [True, ["-c", "a", "b"], "", str(tmp_path), "so", us, True, "heard", "__main__", files]
    assert json.loads(done.stdout) == expected
    assert (done.returncode, done.stderr) == (3, "to stderr\n")


def test_one_that_it_starts_is_its_own_child() -> None:
    """Warm, too, with the files that are passed to it alone."""
    code = """
import os, subprocess, sys
reader, writer = os.pipe()
code = "import os, sys; os.write(int(sys.argv[1]), str(('torch' in sys.modules, os.getppid())).encode())"
subprocess.run([sys.executable, "-c", code, str(writer)], pass_fds=[writer], check=True)
print(os.read(reader, 100).decode() == str((True, os.getpid())))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n", done.stderr


def test_it_is_seen_and_ended_as_any_other() -> None:
    """By its command line, by signals, and by the status that they leave."""
    code = "import sys, time; print(1, flush=True); time.sleep(600)"
    for sent, told in ((signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, ""), (signal.SIGKILL, "")):
        words = [sys.executable, "-c", code]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline() == "1\n"
            assert psutil.Process(process.pid).cmdline()[:3] == words
            process.send_signal(sent)
            assert process.wait(20) == -sent
            assert told in process.stderr.read()


def test_what_must_start_cold_does(tmp_path: Path) -> None:
    """What an interpreter heeds only at its start, another interpreter, and another significand."""
    cold = "import sys; print('torch' in sys.modules)"
    (tmp_path / "significand").mkdir()
    for words, more in (
        (["-X", "dev", "-c", cold], {}),
        (["-c", cold], {"OMP_PLACES": "cores"}),
        (["-c", cold], {"PYTHONPATH": str(tmp_path)}),
    ):
        told = subprocess.run([sys.executable, *words], env=os.environ | more, capture_output=True, check=True).stdout
        assert told == b"False\n"


@pytest.mark.usefixtures("cold_test")
def test_a_test_may_start_its_own_cold() -> None:
    """In a module whose others begin warm."""
    code = "import sys; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert told.stdout == b"False\n"


@pytest.mark.parametrize("how", ["-m", "script"])
def test_modules_and_scripts_run(how: str, tmp_path: Path) -> None:
    """As the main module, which an error ends with its traceback and status 1."""
    (tmp_path / "mine.py").write_text("import sys; print(__name__, sys.argv[1:]); raise ValueError('so')", "utf-8")
    words = ["-m", "mine"] if how == "-m" else [str(tmp_path / "mine.py")]
    done = subprocess.run(
        [sys.executable, *words, "x"],
        capture_output=True,
        text=True,
        cwd=tmp_path if how == "-m" else None,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "__main__ ['x']\n")
    assert done.stderr.endswith("ValueError: so\n")
