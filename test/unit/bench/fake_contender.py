"""Speaks the protocol of `noema.bench.child` and misbehaves as its argument says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from noema.bench.arrays import write_arrays


def main() -> None:
    behaviour, journal = sys.argv[1], Path(sys.argv[2])
    bursts = 0
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, object] = {}
        if command["do"] == "load":
            if behaviour == "missing":
                answer = {"unavailable": "No module named 'wonder'; pip install wonder"}
            else:
                answer = {"seconds": 1.5, "configuration": {"mode": behaviour}}
        elif command["do"] == "outputs":
            value = 1.25 if behaviour == "inexact" else 1.0
            outputs = {"y": np.full(2, value, np.float32)}
            answer = {"arrays": write_arrays(Path(command["folder"]), outputs)}
        elif command["do"] == "burst":
            bursts += 1
            with journal.open("a", encoding="utf-8") as file:
                file.write(f"{behaviour} {command['calls']}\n")
            if behaviour == "crashes" and bursts == 2:
                print("about to die", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            if behaviour == "raises" and bursts == 2:
                answer = {"failed": "ValueError: no"}
            else:
                while behaviour == "hangs" and bursts == 2:
                    time.sleep(1)
                seconds = 0.02 if behaviour == "slow" else 0.01
                answer = {"seconds": [seconds] * command["calls"]}
        else:
            answer = {"peak_bytes": 1 << 20, "tools_peak_bytes": 0}
        print(json.dumps(answer), flush=True)


main()
