"""The stack on which a thread handles signals (sigaltstack(2)), which OpenVINO replaces by one of its own."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Leave the thread's signal stack as it was.

    OpenVINO's CPU plugin sets one when it is loaded. A signal that Python handled later, such as a polite kill, found
    it freed, and ended the process by a segmentation fault.
    """
    call = getattr(ctypes.CDLL(None), "sigaltstack", None) if sys.platform == "linux" else None
    if call is None:
        yield
        return
    before = _Stack()
    call(None, ctypes.byref(before))
    try:
        yield
    finally:
        call(ctypes.byref(before), None)
