"""The page of the matrix: `docs/fusion_matrix.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.exports import Counts

from .matrix import Cell, flat

_HEAD = """# Fusion-hit matrix

What noema finds in a network doesn't depend on who wrote the file. This page is made by

```
{command}
```

Each cell is one network as one tool wrote it, read and taken through the default passes: `=` where
the counts of attention layers, normalisations, activations, gated linear units, rotary embeddings,
look-ups and recurrent cells are those that the network's configuration says, kind by kind; else
what differs, as found/expected; and where as many components of kind `attention` are told apart as
there are attention layers. Batch normalisation isn't counted (most exporters fold it into
convolutions), nor what a recurrent cell is made of where it is spelled out.
"""

_CATALOG = """
## Networks of the catalog

`older`: opset 13, traced, primitive operators. `newest`: opset 24, one operator per layer.
`dynamo`: opset 18, captured, as `torch.onnx.export(dynamo=True)` decomposes. `session`: then
rewritten by a session of ONNX Runtime {onnxruntime} (extended rewrites). `offline`: then by its
optimizer for transformers.
"""

_EXPORTS = """
## Exports of torch {torch} and transformers {transformers}

Small configurations, random weights. `dynamo`: captured, opset 18. `dynamo-newest`: opset 24.
`dynamo-eager`: opset 20, attention spelled out in Python. `legacy`: traced, opset 17.
`legacy-eager`: opset 14, attention spelled out. An empty cell: torch could not export it.
*Error*: the largest difference from ONNX Runtime over the exports of the row, at three sets of
extents with random masks, relative to the largest output; and what the compiler says to those that
it refuses. {measured} of {exported} exports were measured, with the sources of commit {state},
which found what the cells say too. *ONNX Runtime*: attention, norm, activation and rotary operators
that its own rewrites (session or offline, whichever finds more) leave: fewest and most over the
exports. `dynamo-newest` has attention as one operator already.
"""

_HELD_OUT = """
### Held out

No pattern was tuned on these. One expectation was corrected after a look at the result (deberta's
norms: the sixth folds from weights).
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def summary(counts: Counts) -> str:
    """Counts in a few words."""
    return ", ".join(f"{name} {n}" for name, n in flat(counts).items()) or "–"


def verdict(cell: Cell | None) -> str:
    """`=`, or what differs."""
    if cell is None:
        return ""
    if isinstance(cell.found, str):
        return f"**{cell.found}**"
    wrong = [f"{name} {found}/{wanted}" for name, (found, wanted) in cell.misses.items()]
    return f"**{'; '.join(wrong)}**" if wrong else "="


def grid(cells: Sequence[Cell], extra: Mapping[str, Sequence[str]], titles: Sequence[str]) -> str:
    """Networks down, forms across.

    Args:
        cells: The cells.
        extra: Network → its further columns.
        titles: Their titles.
    """
    names = list(dict.fromkeys(cell.network for cell in cells))
    columns = list(dict.fromkeys(cell.form for cell in cells))
    known = {(cell.network, cell.form): cell for cell in cells}
    expected = {cell.network: cell.expected for cell in cells}
    rows = [
        [
            name,
            summary(expected[name]),
            *(verdict(known.get((name, column))) for column in columns),
            *extra.get(name, [""] * len(titles)),
        ]
        for name in names
    ]
    return table(["network", "holds", *columns, *titles], rows)


def tally(cells: Sequence[Cell]) -> str:
    """How many of the cells are right."""
    right = sum(not cell.misses for cell in cells)
    return f"{right} of {len(cells)} right."


def page(
    command: str,
    versions: Mapping[str, str],
    catalog: Sequence[Cell],
    tuned: Sequence[Cell],
    held_out: Sequence[Cell],
    extra: Mapping[str, Sequence[str]],
    titles: Sequence[str],
) -> str:
    """The whole page."""
    parts = [
        _HEAD.format(command=command),
        _CATALOG.format(**versions),
        f"\n{tally(catalog)}\n\n{grid(catalog, {}, ())}",
    ]
    if tuned or held_out:
        parts += [
            _EXPORTS.format(**versions),
            f"\n{tally(tuned)}\n\n{grid(tuned, extra, titles)}",
            _HELD_OUT,
            f"\n{tally(held_out)}\n\n{grid(held_out, extra, titles)}",
        ]
    return "".join(parts)
