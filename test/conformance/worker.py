"""The worker process: reads names of cases, writes how each ended.

Lines of JSON: `{"case": NAME}` in; `{"outcome": …, "detail": …, "seconds": …}` out, after one
`{"ready": true}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
import time
import traceback
import warnings
from typing import IO

from .backends import BACKENDS, Backend
from .cases import Case, load_cases
from .compare import mismatch
from .nearer import nearer
from .outcome import Outcome

_DETAIL_CHARACTERS = 2000
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serves until the input ends."""
    # Without the coordinator nobody waits for the case that runs now.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Native code may print; only this stream is the protocol's.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    backend = BACKENDS[sys.argv[1]]()
    cases = load_cases()
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        case = cases[json.loads(line)["case"]]
        start = time.monotonic()
        outcome, detail = run_case(backend, case)
        seconds = time.monotonic() - start
        _reply(replies, {"outcome": outcome.value, "detail": detail, "seconds": seconds})
    return 0


def run_case(backend: Backend, case: Case) -> tuple[Outcome, str]:
    """Runs one case in this process; how it ended and why."""
    try:
        outputs = backend.run(case)
    except Exception as error:  # noqa: BLE001 - what a case raises is its result
        outcome, detail = backend.classify(error)
        if outcome is Outcome.ERROR:
            traceback.print_exc(file=sys.stderr)
        return outcome, one_line(detail)
    problem = mismatch(case, outputs)
    if problem is None:
        return Outcome.PASS, ""
    better = nearer(case, outputs)
    return (Outcome.WRONG, one_line(problem)) if better is None else (Outcome.NEARER, better)


def one_line(text: str) -> str:
    """The text on one line, of bounded length."""
    return re.sub(r"\s+", " ", text).strip()[:_DETAIL_CHARACTERS]


def _reply(replies: IO[str], record: dict[str, object]) -> None:
    replies.write(json.dumps(record) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())
