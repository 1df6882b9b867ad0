"""Command line: ``python -m models list`` and ``python -m models build NAME -o FILE.onnx``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import onnx

from . import CATALOG, REAL, STYLES, find

# Protobuf messages end at 2 GiB.
_LARGEST_FILE = 2**31 - 1


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the catalog")
    build = commands.add_parser("build", help="write one network to an ONNX file")
    build.add_argument("name")
    build.add_argument("--style", choices=STYLES, default="newest")
    build.add_argument("--static", action="store_true", help="bake the default extents in")
    build.add_argument("--seed", type=int, default=0)
    build.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME=N",
        help="a size or, with --static, an extent other than the default (may be repeated)",
    )
    build.add_argument("-o", "--output", type=Path, required=True)
    parsed = parser.parse_args(arguments)
    if parsed.command == "list":
        for network in (*CATALOG, *REAL):
            extents = " ".join(f"{name}={extent}" for name, extent in network.dims.items())
            size = "real" if network.real else "small"
            print(f"{network.name:20}{network.family:14}{size:7}{extents}")
        return 0
    try:
        network = find(parsed.name)
        pairs = (str(entry).split("=", 1) for entry in parsed.size)
        sizes = {name: int(number) for name, number in pairs}
        model = network.build(parsed.style, seed=parsed.seed, static=parsed.static, **sizes)
    except (KeyError, ValueError) as error:
        parser.error(str(error.args[0]))
    large = model.ByteSize() > _LARGEST_FILE
    location = f"{parsed.output.name}.data" if large else None
    path = str(parsed.output)
    onnx.save_model(model, path, save_as_external_data=large, location=location)  # pyright: ignore[reportUnknownMemberType] (PathLike without its parameter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
