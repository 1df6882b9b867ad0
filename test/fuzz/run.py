"""Feeds mutated models to noema and counts what becomes of them.

    python test/fuzz/run.py --models 2000 --seed 1 --stage read

A mutant must end as `ok` or as one of noema's own errors. Any other exception is a bug of ours.
Each batch of mutants runs in a process of its own, so that a crash of native code (`crash`), or a
mutant that takes longer than `--patience` seconds (`hang`), is counted and the run goes on; in
the compiler such a process is the compile child, and its caller gets a typed error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.mutate import mutant
from fuzz.seeds import seed_models

MEMORY_BYTES = 16 << 30


@dataclass
class Outcome:
    """What became of the mutants.

    Attributes:
        counts: Mutants by outcome.
        bugs: Seed → what happened, for those that ended as they must not.
    """

    counts: Counter[str] = field(default_factory=Counter)
    bugs: dict[int, str] = field(default_factory=dict)

    def report(self, seed: int, text: str) -> None:
        """Notes a bug, and prints it at once: a long run may be stopped before its end."""
        self.bugs[seed] = text
        print(f"seed {seed}: {text}", flush=True)


def try_one(path: Path, seed: int, stage: str) -> str:
    """What becomes of one model: `ok`, the name of noema's error, or `bug` and the traceback."""
    from noema.errors import NoemaError

    try:
        from noema.frontend.onnx import read_model

        # Half of the time every function body is expanded: those nodes are checked too.
        read_model(path, expand=(lambda domain, op: True) if seed % 2 else frozenset())
        # What can't be read needs no process to compile in.
        if stage == "compile":
            import noema

            noema.compile(str(path))
    except NoemaError as error:
        json.dumps(error.to_json())
        return type(error).__name__
    except MemoryError:
        return "memory"
    except Exception:  # noqa: BLE001 - finding these is what this is for
        return "bug " + traceback.format_exc()
    return "ok"


def serve(first: int, count: int, stage: str) -> None:
    """Tries mutants of seeds `first` to `first + count`, one line of JSON each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    models = seed_models()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.onnx"
        for seed in range(first, first + count):
            path.write_bytes(mutant(models, seed))
            print(json.dumps([seed, try_one(path, seed, stage)]), flush=True)


def run(models: int, seed: int, stage: str, patience: float) -> Outcome:
    """Tries `models` mutants; see the module's docstring."""
    outcome = Outcome()
    at, end = seed, seed + models
    while at < end:
        at = _run_batch(at, end - at, stage, patience, outcome)
    return outcome


def _run_batch(first: int, count: int, stage: str, patience: float, outcome: Outcome) -> int:
    """Runs one process until it is done or dies; returns the next seed to try."""
    command = [sys.executable, __file__, "--serve", "--seed", str(first), "--models", str(count)]
    process = subprocess.Popen(
        [*command, "--stage", stage], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    at, pending = first, b""
    started = False
    while True:
        # The first answer waits for the seed models to be built.
        ready, _, _ = select.select([process.stdout], [], [], patience if started else patience * 4)
        chunk = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not chunk:
            break
        started = True
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            at, kind = json.loads(line)
            outcome.counts[kind.split()[0]] += 1
            if kind.startswith("bug"):
                outcome.report(at, kind)
            at += 1
    hung = process.poll() is None and not ready
    if hung:
        process.kill()
    status = process.wait()
    process.stdout.close()
    if at >= first + count and not hung:
        return at
    if hung:
        kind = "hang"
    elif status < 0:
        kind = f"crash-{signal.Signals(-status).name}"
    else:
        kind = f"exit-{status}"
    outcome.counts[kind] += 1
    outcome.report(at, kind)
    return at + 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first one")
    parser.add_argument("--stage", choices=("read", "compile"), default="read")
    parser.add_argument("--patience", type=float, default=60, help="seconds for one mutant")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve(options.seed, options.models, options.stage)
        return 0
    outcome = run(options.models, options.seed, options.stage, options.patience)
    print(f"{options.models} mutants from seed {options.seed}, stage {options.stage}")
    for kind, number in outcome.counts.most_common():
        print(f"{number:8} {kind}")
    return 1 if any(text.startswith("bug") for text in outcome.bugs.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
