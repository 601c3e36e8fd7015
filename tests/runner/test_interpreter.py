"""Behaviour of Python processes of our own: what they import, and what they see."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from significand.meters.openmp import thread_variables
from significand.runner.interpreter import HOME, environment, python, search_path

pytestmark = pytest.mark.slow

SHADOWING = ("json", "random", "torch", "typing", "socket", "pickle", "sitecustomize", "usercustomize", "matplotlib")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a folder whose modules have the names of others, and leave a mark where one is imported."""
    folder = tmp_path / "hostile"
    (folder / "numpy").mkdir(parents=True)
    for path in [*(folder / f"{name}.py" for name in SHADOWING), folder / "numpy/__init__.py"]:
        path.write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\nraise SystemExit('hijacked')\n", encoding="utf-8")
    return folder


def imported() -> str:
    """Return where a process of our own finds some modules."""
    code = "import json, random, socket, typing, numpy, significand; print(json, random, numpy, significand)"
    done = subprocess.run(python(code), env=environment(), capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("entry", ["", ".", "{}", "{}/../hostile"])
def test_the_working_directory_is_not_imported(
    entry: str, hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies where the user stands is no module of our processes, however Python came to look there."""
    monkeypatch.chdir(hostile)
    monkeypatch.setattr("sys.path", [entry.format(hostile), *sys.path])
    assert "hostile" not in imported()
    assert not (tmp_path / "mark").exists()


def test_the_folder_of_the_script_is_not_imported(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what lies beside the user's script, a link to it included."""
    (tmp_path / "link.py").symlink_to(hostile / "script.py")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "link.py"), raising=False)
    monkeypatch.setattr("sys.path", [str(hostile), *sys.path])
    assert "hostile" not in imported()
    assert not (tmp_path / "mark").exists()


def test_what_is_no_string_on_the_path_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path objects, bytes and numbers are ignored as Python does; what no system call takes is left out."""
    odd: list[object] = [tmp_path, b"/bytes", 5, None, "/nul\0", "/lone\ud800", str(tmp_path / "kept")]
    monkeypatch.setattr("sys.path", [*odd, *sys.path])
    assert search_path()[0] == str(tmp_path / "kept")
    assert "significand" in imported()


def test_what_somebody_asks_for_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that PYTHONPATH names or the program adds stays in its place, a relative one as an absolute one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}.{os.pathsep}sub")
    monkeypatch.setattr("sys.path", [str(tmp_path), "added", *sys.path])
    assert search_path()[:2] == [str(tmp_path), str(tmp_path / "added")]
    assert environment()["PYTHONPATH"] == os.pathsep.join([str(tmp_path), str(tmp_path / "sub")])


def test_an_empty_word_in_pythonpath_asks_for_nothing(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it comes of PYTHONPATH=$PYTHONPATH:more; Python itself takes it for the working directory."""
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    monkeypatch.setattr("sys.path", [str(hostile), *sys.path])
    assert str(hostile) not in search_path()
    assert "PYTHONPATH" not in environment()


def test_who_stands_among_pythons_libraries_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library stays in its place, also when it is the working directory."""
    folder = sysconfig.get_path("stdlib")
    monkeypatch.chdir(folder)
    assert folder in search_path()


def test_significand_is_found_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a working directory that holds significand itself, that comes last, behind everything else."""
    monkeypatch.chdir(HOME)
    assert search_path()[-1] == HOME


def test_a_removed_working_directory_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative entries mean nothing any more, and are left out."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr("sys.path", ["", "relative", *sys.path])
    assert "significand" in imported()


def test_the_environment_is_the_users_but_for_what_would_do_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables about threads and an interactive Python are left out, others are as they were."""
    for name in ("OMP_PROC_BIND", "KMP_AFFINITY", "MKL_NUM_THREADS", "PYTHONINSPECT", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "TRUE")
    left = environment()
    assert not {*thread_variables(os.environ), "PYTHONINSPECT", "PYTHONSTARTUP"} & set(left)
    assert left["KMP_DUPLICATE_LIB_OK"] == "TRUE"
    assert left["PATH"] == os.environ["PATH"]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["significand", "significand.statistical_analysis"])
def test_the_command_line_imports_nothing_from_where_it_is_given(module: str, hostile: Path, tmp_path: Path) -> None:
    """``python -m significand`` looks for its modules where everything is installed, and nowhere else."""
    for name in ("sitecustomize", "usercustomize"):
        (hostile / f"{name}.py").unlink()
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=hostile, capture_output=True, text=True, check=True)
    assert "--help" in done.stdout or "--threads" in done.stdout
    assert not (tmp_path / "mark").exists()


def test_other_programs_keep_their_path(tmp_path: Path) -> None:
    """A package of the user's that imports significand while ``python -m`` looks for it finds its own modules after."""
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("import significand\nimport helper\n", encoding="utf-8")
    (package / "__main__.py").write_text("import helper; print(helper.WORD)\n", encoding="utf-8")
    (tmp_path / "helper.py").write_text("WORD = 'found'\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "theirs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "found\n"
