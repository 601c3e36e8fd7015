"""Another Python environment with the packages of this one, in which something can be another."""

import sys
import venv
from pathlib import Path

from significand.runner.interpreter import HOME

SLOW = """
import importlib.util
import sys
import time


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "onnxruntime":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_slow(module):
            execute(module)

            class Slow(module.InferenceSession):
                def run(self, *given, **named):
                    start = time.perf_counter()
                    outputs = super().run(*given, **named)
                    end = start + TIMES * (time.perf_counter() - start)
                    while time.perf_counter() < end:
                        pass
                    return outputs

            module.InferenceSession = Slow

        spec.loader.exec_module = execute_and_slow
        return spec


sys.meta_path.insert(0, Finder())
"""


def made_up_environment(folder: Path, *, slower: float = 1.0, onnxruntime: str = "", packages: bool = True) -> Path:
    """Make an environment and return its folder.

    Parameters
    ----------
    folder
        Where it is made.
    slower
        How many times as long a call of ONNX Runtime takes there.
    onnxruntime
        What its version is said to be there; empty for what it is.
    packages
        Whether there are any.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    own = own_packages(folder)
    if packages:
        shared = [HOME, *(entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"})]
        (own / "shared.pth").write_text("\n".join(shared), encoding="utf-8")
    if slower > 1:
        (own / "sitecustomize.py").write_text(SLOW.replace("TIMES", str(slower)), encoding="utf-8")
    if onnxruntime:
        (own / f"onnxruntime-{onnxruntime}.dist-info").mkdir()
        metadata = f"Metadata-Version: 2.1\nName: onnxruntime\nVersion: {onnxruntime}\n"
        (own / f"onnxruntime-{onnxruntime}.dist-info" / "METADATA").write_text(metadata, encoding="utf-8")
    return folder


def own_packages(folder: Path) -> Path:
    """Return where an environment has packages of its own, which come before those that it shares."""
    return next((folder / "lib").glob("python*/site-packages"))
