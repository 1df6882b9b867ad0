"""What only a fresh process shows: imports, exits, forks, memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .conftest import MakeArtifact


def run(script: str, *arguments: object) -> str:
    """Runs a script in a fresh interpreter; fails if it does not end with status 0."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def test_importing_is_light() -> None:
    out = run("import sys, noema.runtime; print('numpy' in sys.modules, 'iree' in sys.modules)")
    assert out == "False False\n"


def test_running_loads_no_compiler(affine: Path) -> None:
    out = run(
        """
import sys, numpy as np
from noema.runtime import load, list_devices
print(load(sys.argv[1], threads=2)(x=np.ones((1, 64), np.float32))["y"][0, :3].tolist())
list_devices()
heavy = ("torch_mlir", "onnx", "iree.compiler", "rich", "click")
print([name for name in sys.modules if name.startswith(heavy)])
""",
        affine,
    )
    assert out == "[2.0, 3.0, 4.0]\n[]\n"


EXITS = {
    "program alive": "p = load(path, threads=n); o = p(x=x)",
    "output alive": "o = load(path, threads=n)(x=x)['y']",
    "view alive": "o = load(path, threads=n)(x=x)['y'][1:]",
    "in a cycle": "c = [load(path, threads=n)]; c += [c, c[0](x=x)]",
    "after an error": """
try:
    load(path, threads=n)(x=1)
except Exception as error:
    kept = error
""",
    "in a class": """
class Holder: pass
Holder.p = load(path, threads=n)
Holder.o = Holder.p(x=x)
""",
    "in a running thread": """
import threading
p = load(path, threads=n)
def forever():
    while True: p(x=x)
threading.Thread(target=forever, daemon=True).start()
import time; time.sleep(0.05)
""",
    "many": "kept = [(p, p(x=x)) for p in [load(path, threads=n) for _ in range(4)]]",
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("body", EXITS.values(), ids=EXITS.keys())
def test_interpreter_exits_cleanly(affine: Path, body: str, threads: int) -> None:
    head = (
        "import sys, numpy as np\nfrom noema.runtime import load\n"
        "path, n = sys.argv[1], int(sys.argv[2])\nx = np.ones((2048, 64), np.float32)\n"
    )
    run(head + body, affine, threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_forked_child_is_told_to_load_again(affine: Path, threads: int) -> None:
    """The child gets an error, can load a program of its own, and ends; the parent goes on."""
    out = run(
        """
import os, sys, warnings, numpy as np
warnings.simplefilter("ignore")
from noema.errors import RunFailed
from noema.runtime import load
threads, x = int(sys.argv[2]), np.ones((1024, 64), np.float32)
program = load(sys.argv[1], threads=threads)
kept = program(x=x)
child = os.fork()
if child == 0:
    try:
        program(x=x)
    except RunFailed as error:
        print(error.message)
    del program, kept
    print(load(sys.argv[1], threads=threads)(x=x)["y"][0, 1])
    sys.exit(0)
print("child ended with", os.waitpid(child, 0)[1])
print(program(x=x)["y"][0, 0])
""",
        affine,
        threads,
    )
    assert out.splitlines() == [
        "the program was loaded before this process was forked",
        "3.0",
        "child ended with 0",
        "2.0",
    ]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_each_session_has_the_threads_it_asked_for(affine: Path) -> None:
    out = run(
        """
import sys, time
from pathlib import Path
from noema.runtime import load
def workers(expected):
    for attempt in range(1000):  # a thread gets its name a moment after it starts
        names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
        count = sum(name.startswith("iree-worker") for name in names)
        if count == expected:
            break
        time.sleep(0.01)
    return count
sessions = []
for threads, total in ((2, 2), (1, 2), (3, 5), (2, 7)):
    sessions.append(load(sys.argv[1], threads=threads))
    print(sessions[-1].threads, workers(total))
for program in sessions:
    program.close()
print(workers(0))
""",
        affine,
    )
    assert out == "2 2\n1 2\n3 5\n2 7\n0\n"


def test_weights_are_mapped_not_copied(make_artifact: MakeArtifact) -> None:
    """Loading and running with 32 MiB of weights adds hardly any memory of the process's own."""
    count = 8 << 20
    path = make_artifact(
        f"""
util.global private @w = #flow.parameter.named<"model"::"w"> : tensor<{count}xf32>
func.func @main(%x: tensor<f32>) -> tensor<f32> {{
  %w = util.global.load @w : tensor<{count}xf32>
  %s = linalg.reduce ins(%w : tensor<{count}xf32>) outs(%x : tensor<f32>) dimensions = [0]
    (%p: f32, %q: f32) {{ %r = arith.addf %p, %q : f32 linalg.yield %r : f32 }}
  return %s : tensor<f32>
}}""",
        {"x": ("float32", ())},
        {"y": ("float32", ())},
        {"w": (np.arange(count) % 2).astype(np.float32)},
    )
    out = run(
        """
import re, sys, numpy as np
from noema.runtime import load
def own():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
load(sys.argv[2], threads=2).close()
before = own()
program = load(sys.argv[1], threads=2)
value = program(x=np.float32(0))["y"]
print(float(value), own() - before < 16 << 10)
""",
        path,
        path,
    )
    assert out == f"{count / 2} True\n"
