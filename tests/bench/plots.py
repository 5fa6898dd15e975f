"""Horizontal bar charts as SVG. Pure: text from figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABEL, ROW, BAR, TOP = 900, 330, 24, 15, 40
OURS, OTHERS, FAINT = "#b5541c", "#5b7083", "#c9d1d8"
TEXT = 'font-family="sans-serif" font-size="13" fill="#222"'


@dataclass(frozen=True)
class Row:
    label: str
    value: float
    low: float
    high: float
    ours: bool


def _panel(title: str, rows: Sequence[Row], unit: str, top: int) -> list[str]:
    out = [f'<text x="10" y="{top + 18}" {TEXT} font-weight="bold">{escape(title)}</text>']
    scale = (WIDTH - LABEL - 110) / max(row.high for row in rows)
    for number, row in enumerate(rows):
        y = top + TOP - 8 + number * ROW
        middle = y + BAR / 2
        width, left, right = row.value * scale, LABEL + row.low * scale, LABEL + row.high * scale
        colour = OURS if row.ours else OTHERS
        out += [
            f'<text x="{LABEL - 8}" y="{middle + 4:.0f}" text-anchor="end" {TEXT}>{escape(row.label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{left:.1f} {middle:.1f}H{right:.1f}" stroke="#222" stroke-width="1.5"/>',
            f'<text x="{max(LABEL + width, right) + 6:.0f}" y="{middle + 4:.0f}" {TEXT}>'
            f"{row.value:,.0f}{unit}</text>",
        ]
    return out


def chart(panels: Sequence[tuple[str, Sequence[Row]]], unit: str) -> str:
    """One panel below the other. The black lines go from the lowest round to the highest."""
    body: list[str] = []
    top = 0
    for title, rows in panels:
        if rows:
            body += _panel(title, rows, unit, top)
            top += TOP + len(rows) * ROW + 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
    ground = f'<rect width="{WIDTH}" height="{top}" fill="#fff" stroke="{FAINT}"/>'
    return "\n".join([head, ground, *body, "</svg>"]) + "\n"
