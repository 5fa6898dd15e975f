"""Horizontal bar charts as SVG. Pure: text from figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABEL, ROW, BAR, TOP = 860, 270, 24, 15, 40
OURS, OTHERS, FAINT = "#b5541c", "#5b7083", "#c9d1d8"
TEXT = 'font-family="sans-serif" font-size="13" fill="#222"'


@dataclass(frozen=True)
class Row:
    label: str
    value: float
    low: float
    high: float
    ours: bool


def _width(value: float, largest: float, smallest: float | None) -> float:
    """Of a bar, in pixels; on a logarithmic scale if there is a smallest value."""
    room = WIDTH - LABEL - 110
    if smallest is None:
        return room * value / largest
    decades = math.log10(largest / smallest)
    return room * math.log10(max(value, smallest) / smallest) / decades if decades else room


def _panel(title: str, rows: Sequence[Row], unit: str, top: int, logarithmic: bool) -> list[str]:
    out = [f'<text x="10" y="{top + 18}" {TEXT} font-weight="bold">{escape(title)}</text>']
    largest = max(row.high for row in rows)
    smallest = 10 ** math.floor(math.log10(min(row.low for row in rows))) if logarithmic else None
    for number, row in enumerate(rows):
        y = top + TOP - 8 + number * ROW
        middle = y + BAR / 2
        width = _width(row.value, largest, smallest)
        left, right = (LABEL + _width(end, largest, smallest) for end in (row.low, row.high))
        colour = OURS if row.ours else OTHERS
        out += [
            f'<text x="{LABEL - 8}" y="{middle + 4:.0f}" text-anchor="end" {TEXT}>{escape(row.label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{left:.1f} {middle:.1f}H{right:.1f}" stroke="#222" stroke-width="1.5"/>',
            f'<text x="{max(LABEL + width, right) + 6:.0f}" y="{middle + 4:.0f}" {TEXT}>'
            f"{row.value:,.0f} {unit}</text>",
        ]
    return out


def chart(panels: Sequence[tuple[str, Sequence[Row]]], unit: str, logarithmic: bool = False) -> str:
    """One panel below the other. The black lines go from the lowest round to the highest."""
    body: list[str] = []
    top = 0
    for title, rows in panels:
        if rows:
            body += _panel(title, rows, unit, top, logarithmic)
            top += TOP + len(rows) * ROW + 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
    ground = f'<rect width="{WIDTH}" height="{top}" fill="#fff" stroke="{FAINT}"/>'
    return "\n".join([head, ground, *body, "</svg>"]) + "\n"
