"""Where the boxes of a component graph go: layers from top to bottom, few crossings, short edges.

The usual four steps (Sugiyama, Tagawa, Toda 1981): layers by longest path; edges over several
layers get a stand-in in each, one chain for all edges of a source; order within a layer by the mean
place of the neighbours; then coordinates, by the same means, with the least distance kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

BOX_WIDTH = 172.0
BOX_HEIGHT = 46.0
LAYER_HEIGHT = 84.0
_GAP = 22.0
_STAND_IN_WIDTH = 6.0
_SWEEPS = 8
_STRAIGHT = 8.0
_MOST_STAND_INS = 5000
"""What lies beyond, the longest edges first, is drawn without: a graph of thousands of components
in a row would have millions."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """A drawn graph, in pixels.

    Attributes:
        boxes: Name → the middle of its box.
        routes: For each edge as given, the points it passes, from the source's lower side to the
            target's upper side.
        width: Of the drawing.
        height: Of the drawing.
    """

    boxes: Mapping[str, Point]
    routes: Sequence[Sequence[Point]]
    width: float
    height: float


Slot = tuple[str, int]
"""A component's own place (layer -1), or its stand-in in a layer."""


def lay_out(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Places components.

    Args:
        names: All components, in program order.
        edges: Source and target; those that would close a cycle are drawn straight, those of
            unknown names get no route.
    """
    layer = _layers(names, edges)
    forward = [(s, t) for s, t in edges if s in layer and t in layer and layer[s] < layer[t]]
    rows, above, below = _slots(names, forward, layer)
    for sweep in range(_SWEEPS):
        _order(rows, above if sweep % 2 == 0 else below, down=sweep % 2 == 0)
    x = _coordinates(rows, above, below)
    left = min((x[s] - _width(s) / 2 for s in x), default=0.0)
    right = max((x[s] + _width(s) / 2 for s in x), default=0.0)

    places = {
        slot: (
            x[slot] - left + _GAP,
            (layer[slot[0]] if slot[1] < 0 else slot[1]) * LAYER_HEIGHT + BOX_HEIGHT / 2 + _GAP,
        )
        for slot in x
    }
    boxes = {name: places[name, -1] for name in names}
    return Layout(
        boxes,
        [_route(s, t, layer, places) if s in layer and t in layer else [] for s, t in edges],
        right - left + 2 * _GAP,
        max((len(rows) - 1) * LAYER_HEIGHT, 0.0) + BOX_HEIGHT + 2 * _GAP,
    )


def _layers(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Longest path from a source; a cycle, which no profile should have, is cut."""
    known = set(names)
    targets: dict[str, list[str]] = {name: [] for name in names}
    waiting = dict.fromkeys(names, 0)
    for source, target in edges:
        if source in known and target in known and source != target:
            targets[source].append(target)
            waiting[target] += 1
    layer: dict[str, int] = {}
    depth = dict.fromkeys(names, 0)
    ready = [name for name in names if not waiting[name]]
    while len(layer) < len(targets):
        if not ready:
            ready = [next(name for name in names if name not in layer)]
        name = ready.pop()
        if name in layer:
            continue
        layer[name] = depth[name]
        for target in targets[name]:
            if target not in layer:
                depth[target] = max(depth[target], depth[name] + 1)
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
    # What depends on nothing stands just above its first user, not at the very top.
    fed = {target for users in targets.values() for target in users}
    for name in names:
        users = [layer[target] for target in targets[name]]
        if users and name not in fed:
            layer[name] = max(layer[name], min(users) - 1)
    return layer


Neighbours = Mapping[Slot, Sequence[Slot]]


def _slots(
    names: Sequence[str], edges: Iterable[tuple[str, str]], layer: Mapping[str, int]
) -> tuple[list[list[Slot]], Neighbours, Neighbours]:
    """The slots of each layer, and each slot's neighbours in the layers above and below."""
    rows: list[list[Slot]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    above: dict[Slot, list[Slot]] = {}
    below: dict[Slot, list[Slot]] = {}
    for name in names:
        rows[layer[name]].append((name, -1))
    reach: dict[str, int] = {}
    for source, target in edges:
        reach[source] = max(reach.get(source, 0), layer[target] - 1)
    made = 0
    for source, last in sorted(reach.items(), key=lambda item: item[1] - layer[item[0]]):
        made += last - layer[source]
        if made > _MOST_STAND_INS:
            break
        for row in range(layer[source] + 1, last + 1):
            rows[row].append((source, row))
            _join(_slot_of(source, row - 1, layer), (source, row), above, below)
    for source, target in edges:
        upper = _slot_of(source, layer[target] - 1, layer)
        if upper[1] < 0 or upper in above:
            _join(upper, (target, -1), above, below)
    return rows, above, below


def _join(
    upper: Slot, lower: Slot, above: dict[Slot, list[Slot]], below: dict[Slot, list[Slot]]
) -> None:
    below.setdefault(upper, []).append(lower)
    above.setdefault(lower, []).append(upper)


def _slot_of(source: str, row: int, layer: Mapping[str, int]) -> Slot:
    return (source, -1) if row == layer[source] else (source, row)


def _order(rows: list[list[Slot]], neighbours: Neighbours, *, down: bool) -> None:
    """Sorts each layer by the mean place of its slots' neighbours in the layer before."""
    place = {slot: float(i) for row in rows for i, slot in enumerate(row)}
    for row in rows if down else reversed(rows):
        mean = {
            slot: sum(place[n] for n in near) / len(near) if (near := neighbours.get(slot)) else i
            for i, slot in enumerate(row)
        }
        row.sort(key=mean.__getitem__)
        place.update((slot, float(i)) for i, slot in enumerate(row))


def _route(
    source: str, target: str, layer: Mapping[str, int], places: Mapping[Slot, Point]
) -> list[Point]:
    (x0, y0), (x1, y1) = places[source, -1], places[target, -1]
    rows = range(layer[source] + 1, layer[target])
    between = [places[source, row] for row in rows if (source, row) in places]
    return [(x0, y0 + BOX_HEIGHT / 2), *between, (x1, y1 - BOX_HEIGHT / 2)]


def _width(slot: Slot) -> float:
    return BOX_WIDTH if slot[1] < 0 else _STAND_IN_WIDTH


def _coordinates(
    rows: Sequence[Sequence[Slot]], above: Neighbours, below: Neighbours
) -> dict[Slot, float]:
    x: dict[Slot, float] = {}
    for row in rows:
        edge = 0.0
        for slot in row:
            x[slot] = edge + _width(slot) / 2
            edge += _width(slot) + _GAP
        shift = edge / 2
        for slot in row:
            x[slot] -= shift
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        for row in rows if down else reversed(rows):
            wanted = [_wanted(slot, neighbours.get(slot, ()), x) for slot in row]
            for slot, place in zip(row, _spread(row, wanted), strict=True):
                x[slot] = place
    return x


def _wanted(slot: Slot, near: Sequence[Slot], x: Mapping[Slot, float]) -> float:
    """The mean place of the neighbours; between two boxes an edge pulls more, to be straight."""
    if not near:
        return x[slot]
    weights = [_STRAIGHT if slot[1] < 0 and other[1] < 0 else 1.0 for other in near]
    return sum(w * x[n] for w, n in zip(weights, near, strict=True)) / sum(weights)


def _spread(row: Sequence[Slot], wanted: Sequence[float]) -> list[float]:
    """Places as near as can be to the wanted ones, in order and far enough apart.

    Boxes first, as if nothing but room were between them; stand-ins make way.
    """
    gaps = [(_width(a) + _width(b)) / 2 + _GAP for a, b in pairwise(row)]
    ahead = [0.0]  # least distance of each slot from the first
    for gap in gaps:
        ahead.append(ahead[-1] + gap)
    boxes = [i for i, slot in enumerate(row) if slot[1] < 0]
    right: list[float] = []
    for k, i in enumerate(boxes):
        least = right[-1] + ahead[i] - ahead[boxes[k - 1]] if k else wanted[i]
        right.append(max(wanted[i], least))
    left: list[float] = []
    for k, i in enumerate(reversed(boxes)):
        most = left[-1] - ahead[boxes[-k]] + ahead[i] if k else wanted[i]
        left.append(min(wanted[i], most))
    fixed = {i: (a + b) / 2 for i, a, b in zip(boxes, right, reversed(left), strict=True)}
    placed: list[float] = []
    for i, place in enumerate(wanted):
        if i in fixed:
            placed.append(fixed[i])
            continue
        following = next((j for j in boxes if j > i), None)
        if following is not None:
            place = min(place, fixed[following] - ahead[following] + ahead[i])
        placed.append(max(place, placed[-1] + gaps[i - 1]) if i else place)
    return placed
