"""Measures callables with torch.utils.benchmark, one after the other, and prints what it found as JSON.

It runs in the other tools' environment: ``python rival_torch.py threads text...``, texts as of `rival_calls.make`.
"""

import json
import sys
import time

from torch.utils.benchmark import Timer

from rival_calls import bare_s, make


def main() -> None:
    """Measure each callable as the tool's documentation does: ``Timer(...).blocked_autorange()``."""
    found = []
    for text in sys.argv[2:]:
        call = make(text)
        begin = time.perf_counter()
        measured = Timer("call()", globals={"call": call}, num_threads=int(sys.argv[1])).blocked_autorange()
        wall_s = time.perf_counter() - begin
        calls = measured.number_per_run * len(measured.raw_times)
        found.append({"times_s": measured.times, "calls": calls, "wall_s": wall_s, "bare_s": bare_s(call)})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
