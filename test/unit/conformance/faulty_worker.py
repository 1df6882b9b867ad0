"""Speaks the protocol of `conformance.worker`; the case's name says how it goes wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
import time


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        name = json.loads(line)["case"]
        if name == "dies":
            print("stack of the dead", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        while name == "hangs":
            time.sleep(1)
        answer = {"outcome": "pass", "detail": f"pid {os.getpid()}", "seconds": 0.0}
        print(json.dumps(answer), flush=True)


main()
