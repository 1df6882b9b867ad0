"""Command line: ``python -m fusion show|export|measure|matrix`` (with ``test/`` on PYTHONPATH)."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import click
import onnx
import onnxruntime

from models import CATALOG
from models.exports import ARCHITECTURES

from . import report
from .evidence import TITLES, Notebook, columns, evidence_of, state_of_sources
from .matrix import EXPORTERS, Cell, catalog_cell, export_cell, exported_file, forms

_NOTEBOOK = "evidence.json"
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.argument("names", nargs=-1)
@click.option("--form", "wanted", help="Only this form or exporter.")
@click.option("--exports", type=_FOLDER, help="Real exports that lie here, not the catalog.")
def show(names: tuple[str, ...], wanted: str | None, exports: Path | None) -> None:
    """Print, for each network and form, what is found otherwise than expected."""
    failed = 0
    for cell in _catalog(names, wanted) if exports is None else _exports(exports, names, wanted):
        failed += bool(cell.misses)
        click.echo(f"{cell.network:18} {cell.form:18} {report.verdict(cell)}")
    sys.exit(1 if failed else 0)


@main.command()
@click.argument("folder", type=_FOLDER)
@click.argument("names", nargs=-1)
@click.option("--exporter", "wanted", type=click.Choice(EXPORTERS))
def export(folder: Path, names: tuple[str, ...], wanted: str | None) -> None:
    """Export the architectures into FOLDER (needs torch and transformers).

    Files that are there already are kept.
    """
    import torch
    import transformers

    from models.exports.exporter import export as write

    folder.mkdir(parents=True, exist_ok=True)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    (folder / "versions.json").write_text(json.dumps(versions))
    torch.set_num_threads(1)
    for exporter in [wanted] if wanted else EXPORTERS:
        for architecture in ARCHITECTURES:
            path = exported_file(folder, architecture, exporter)
            if path.exists() or (names and architecture.name not in names):
                continue
            try:
                model = write(architecture, exporter)
            except Exception:  # noqa: BLE001 (an exporter raises whatever it likes)
                path.with_suffix(".error").write_text(traceback.format_exc())
                click.echo(f"{architecture.name} {exporter}: cannot be exported")
                continue
            onnx.save(model, path)
            click.echo(f"{architecture.name} {exporter}: {len(model.graph.node)} nodes")


@main.command()
@click.argument("folder", type=_FOLDER)
@click.argument("names", nargs=-1)
@click.option("--exporter", "wanted", type=click.Choice(EXPORTERS))
def measure(folder: Path, names: tuple[str, ...], wanted: str | None) -> None:
    """Compare each export in FOLDER with ONNX Runtime, and let it optimise each.

    What the notebook in FOLDER has already of the same state of the sources is left as it is.
    """
    state = state_of_sources()
    notebook = Notebook(folder / _NOTEBOOK, state)
    for exporter in [wanted] if wanted else EXPORTERS:
        for architecture in ARCHITECTURES:
            key = f"{architecture.name} {exporter}"
            path = exported_file(folder, architecture, exporter)
            if key in notebook or not path.exists() or (names and architecture.name not in names):
                continue
            evidence = evidence_of(architecture, onnx.load(path), state)
            notebook.put(key, evidence)
            click.echo(f"{key}: {evidence.error}, {dict(evidence.runtime)}")


@main.command()
@click.option("--exports", type=_FOLDER, help="Where `export` wrote its files.")
@click.option("--markdown", type=click.Path(path_type=Path), required=True)
def matrix(exports: Path | None, markdown: Path) -> None:
    """Make the whole page; exit 1 if a cell is wrong."""
    catalog = list(_catalog((), None))
    real = [] if exports is None else list(_exports(exports, (), None))
    versions = {"onnxruntime": onnxruntime.__version__}
    command = "PYTHONPATH=test python -m fusion matrix --markdown docs/fusion_matrix.md"
    extra: dict[str, list[str]] = {}
    if exports is not None:
        versions |= json.loads((exports / "versions.json").read_text())
        first = "PYTHONPATH=test python -m fusion"
        command = f"{first} export FOLDER\n{first} measure FOLDER\n{command} --exports FOLDER"
        state = state_of_sources()
        notebook = Notebook(exports / _NOTEBOOK, state)
        versions |= {"state": state, "measured": str(len(notebook)), "exported": str(len(real))}
        extra = {a.name: columns(notebook.of(a.name)) for a in ARCHITECTURES}
    held_out = {a.name for a in ARCHITECTURES if a.held_out}
    markdown.write_text(
        report.page(
            command,
            versions,
            catalog,
            [cell for cell in real if cell.network not in held_out],
            [cell for cell in real if cell.network in held_out],
            extra,
            TITLES,
        )
    )
    wrong = [cell for cell in (*catalog, *real) if cell.misses]
    sys.exit(1 if wrong else 0)


def _catalog(names: tuple[str, ...], wanted: str | None) -> Iterator[Cell]:
    for network in CATALOG:
        if names and network.name not in names:
            continue
        for form in forms(network):
            if wanted in (None, form):
                yield catalog_cell(network, form)


def _exports(folder: Path, names: tuple[str, ...], wanted: str | None) -> Iterator[Cell]:
    for architecture in ARCHITECTURES:
        if names and architecture.name not in names:
            continue
        for exporter in EXPORTERS:
            path = exported_file(folder, architecture, exporter)
            if wanted not in (None, exporter):
                continue
            if path.exists():
                yield export_cell(architecture, exporter, onnx.load(path))


if __name__ == "__main__":
    main()
