"""SVG parts of the report: strips, heat maps and lines as compact paths, coloured by classes of the style sheet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHADES = 8
HEADROOM = 0.9


@dataclass(frozen=True)
class Span:
    """A stretch of the strip in percent of its width, with what to say about it."""

    start: float
    width: float
    kind: str
    title: str


def spans(intervals: Iterable[tuple[int, int, str, str]], begin: int, end: int) -> list[Span]:
    """Intervals (from, to, kind, title) as percent of [begin, end); clipped, and wide enough to be seen."""
    length = max(1, end - begin)
    drawn = []
    for low, high, kind, title in intervals:
        low, high = max(low, begin), min(high, end)
        if high <= low:
            continue
        start = 100 * (low - begin) / length
        width = max(100 * (high - low) / length, 0.25)
        drawn.append(Span(round(min(start, 99.75), 3), round(width, 3), kind, title))
    return drawn


def heat_paths(cells: Iterable[tuple[int, int, float]], ceiling: float) -> list[tuple[int, str]]:
    """Cells (column, row, value) of a unit grid as one path per shade, 1 (faint) to SHADES (full); zeros are left out.

    The shade grows with the square root of the value, so that a thin book beside a thick one still shows.
    """
    paths: dict[int, list[str]] = {}
    for column, row, value in cells:
        if value <= 0 or ceiling <= 0:
            continue
        shade = max(1, min(SHADES, round((value / ceiling) ** 0.5 * SHADES)))
        paths.setdefault(shade, []).append(f"M{column} {row}h1v1h-1z")
    return [(shade, "".join(parts)) for shade, parts in sorted(paths.items())]


def line_paths(values: Sequence[float | None], height: float) -> tuple[str, float]:
    """A path of steps over columns 0, 1, ... scaled to `height` from zero, broken where there is no value; its top."""
    top = max((value for value in values if value is not None), default=0.0)
    parts, pen_up = [], True
    for column, value in enumerate(values):
        if value is None:
            pen_up = True
            continue
        y = height - (HEADROOM * height * value / top if top else 0)
        parts.append(f"{'M' if pen_up else 'L'}{column} {y:.2f}h1")
        pen_up = False
    return "".join(parts), top
