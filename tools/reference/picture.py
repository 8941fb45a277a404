"""docs/pictures/components.svg: which component needs which, from the dependencies that the program registers.

An arrow goes from what is made first to what takes its outputs; arrows that a longer way says as well are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from tools.reference.programs import COMPLETE, recorded

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 132, 34, 62, 22, 20
PASSING_HEIGHT = 20
"""Room for an arrow that passes a column."""
Edges = frozenset[tuple[str, str]]


@dataclass(frozen=True, order=True)
class Stop:
    """A box, or the place where an arrow passes a column."""

    column: int
    name: str
    passing: bool = False


def document() -> str:
    """The picture as SVG."""
    ways = _ways(needed(recorded(COMPLETE)))
    columns = _columns(ways)
    height = max(_height(column) for column in columns) + 2 * MARGIN
    width = len(columns) * (BOX_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    places: dict[Stop, tuple[int, int]] = {}
    for x, column in enumerate(columns):
        top = (height - _height(column)) // 2
        for stop in column:
            places[stop] = (MARGIN + x * (BOX_WIDTH + GAP_X), top)
            top += _room(stop)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            "<title>Components of the program and what they need of each other</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *(_arrow([places[stop] for stop in way]) for way in ways),
            *(_box(stop.name, place) for stop, place in sorted(places.items()) if not stop.passing),
            "</svg>\n",
        ]
    )


def needed(program: Any) -> Edges:
    """(provider, taker) for every two components of which one takes an output of the other."""
    by_urn = {one.urn: one for one in program.resources}

    def top(one: Any) -> str | None:
        while one.parent in by_urn:
            one = by_urn[one.parent]
        return None if one.custom else str(one.name)

    found: set[tuple[str, str]] = set()
    for one in program.resources:
        for urn in {*one.dependencies, *(urn for urns in one.property_dependencies.values() for urn in urns)}:
            provider, taker = (top(by_urn[urn]) if urn in by_urn else None), top(one)
            if provider and taker and provider != taker:
                found.add((provider, taker))
    return frozenset(found)


def reduced(edges: Edges) -> Edges:
    """Without the arrows that a longer way makes superfluous."""
    return frozenset((a, b) for a, b in edges if b not in reached(edges, a, without=b))


def reached(edges: Edges, start: str, *, without: str = "") -> set[str]:
    """What is behind `start` by any way that does not begin with the arrow to `without`."""
    seen: set[str] = set()
    ahead = [b for a, b in edges if a == start and b != without]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += [b for a, b in edges if a == name]
    return seen


def _depths(edges: Edges) -> dict[str, int]:
    """Column of each component: right of all that it needs. Raises ValueError for a circle."""
    names = {name for edge in edges for name in edge}
    depths: dict[str, int] = {}
    while len(depths) < len(names):
        ready = [n for n in names - depths.keys() if all(a in depths for a, b in edges if b == n)]
        if not ready:
            raise ValueError("components need each other in a circle")
        depths |= {name: 1 + max((depths[a] for a, b in edges if b == name), default=-1) for name in ready}
    return depths


def _ways(edges: Edges) -> list[list[Stop]]:
    """Each arrow by its stops, one a column: a long one passes between the boxes on its way."""
    depths = _depths(edges)
    return [
        [
            Stop(depths[a], a),
            *(Stop(column, f"{a} {b}", passing=True) for column in range(depths[a] + 1, depths[b])),
            Stop(depths[b], b),
        ]
        for a, b in sorted(reduced(edges))
    ]


def _columns(ways: Sequence[Sequence[Stop]]) -> list[list[Stop]]:
    """The stops of each column, each near what it is joined to on the left, then on the right."""
    stops = sorted({stop for way in ways for stop in way})
    columns = [[stop for stop in stops if stop.column == x] for x in range(stops[-1].column + 1)]
    joints = [joint for way in ways for joint in pairwise(way)]
    at = {stop: (y + 0.5) / len(column) for column in columns for y, stop in enumerate(column)}
    for sweep in range(8):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            near = {
                stop: [at[a] for a, b in joints if b == stop]
                if sweep % 2 == 0
                else [at[b] for a, b in joints if a == stop]
                for stop in column
            }
            column.sort(key=lambda stop: (sum(near[stop]) / len(near[stop]) if near[stop] else at[stop], stop))
            at |= {stop: (y + 0.5) / len(column) for y, stop in enumerate(column)}
    return columns


def _room(stop: Stop) -> int:
    return PASSING_HEIGHT if stop.passing else BOX_HEIGHT + GAP_Y


def _height(column: Sequence[Stop]) -> int:
    return sum(map(_room, column))


def _box(name: str, place: tuple[int, int]) -> str:
    x, y = place
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" fill="#eef3fa" stroke="#456"/>'
        f'<text x="{x + BOX_WIDTH // 2}" y="{y + 22}" text-anchor="middle" font-family="sans-serif" font-size="13" '
        f'fill="#123">{escape(name)}</text>'
    )


def _arrow(places: Sequence[tuple[int, int]]) -> str:
    """A line through the middles of all stops, straight behind a stop that it only passes."""
    *_, last = places
    points = [(places[0][0] + BOX_WIDTH, places[0][1] + BOX_HEIGHT // 2)]
    for x, y in places[1:-1]:
        points += [(x, y + PASSING_HEIGHT // 2), (x + BOX_WIDTH, y + PASSING_HEIGHT // 2)]
    points.append((last[0], last[1] + BOX_HEIGHT // 2))
    way = f"M{points[0][0]} {points[0][1]}"
    for (x1, y1), (x2, y2) in pairwise(points):
        bend = min(GAP_X // 2, (x2 - x1) // 2)
        way += f"C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{way}" fill="none" stroke="#667" stroke-width="1.2" marker-end="url(#tip)"/>'
