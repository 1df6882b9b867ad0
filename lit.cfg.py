"""Configuration of the lit tests: `lit -sv test/lit`, or `make lit`.

A test is a `.mlir` file whose `RUN:` lines use

    noema opt   any pass pipeline over a file (`noema-opt` is the same)
    FileCheck   LLVM's, or the Python package of the same syntax
    %python     the interpreter that noema is installed for
"""

import os
import sys
from pathlib import Path

import lit.formats

ROOT = Path(__file__).resolve().parent

config.name = "noema"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["Inputs", "Output"]
# The suite is rooted here, where this file is, so that `lit test/lit/passes/cse.mlir` finds one
# test; the tests themselves all lie in test/lit, and their outputs stay out of the sources.
config.test_source_root = str(ROOT)
config.test_exec_root = str(ROOT / "build" / "lit")

# `--param filecheck=PATH` (CMake passes what it found) or the one installed beside this Python.
scripts = Path(sys.executable).parent
filecheck = lit_config.params.get("filecheck", str(scripts / "filecheck"))

config.substitutions += [
    (r"\bnoema[ -]opt\b", f"{scripts / 'noema'} opt"),
    (r"\bFileCheck\b", filecheck),
    (r"%python", sys.executable),
]
# What a user's shell holds must not change what a test sees; a failed test prints no colours.
for variable in [name for name in os.environ if name.startswith("NOEMA_")]:
    config.environment.pop(variable, None)
config.environment["NO_COLOR"] = "1"
