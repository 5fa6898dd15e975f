"""Horizontal bar charts and line charts as SVG. Pure: text from figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABEL, ROW, BAR, TOP = 900, 330, 24, 15, 40
HEIGHT = 260  # of a panel with lines
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


def _svg(body: Sequence[str], height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff" stroke="{FAINT}"/>'
    return "\n".join([head, ground, *body, "</svg>"]) + "\n"


def chart(panels: Sequence[tuple[str, Sequence[Row]]], unit: str) -> str:
    """One panel below the other. The black lines go from the lowest round to the highest."""
    body: list[str] = []
    top = 0
    for title, rows in panels:
        if rows:
            body += _panel(title, rows, unit, top)
            top += TOP + len(rows) * ROW + 10
    return _svg(body, top)


@dataclass(frozen=True)
class Line:
    label: str
    values: Sequence[float]  # one for each tick of the x axis
    colour: str = OURS


def _line_panel(title: str, ticks: Sequence[str], lines: Sequence[Line], top: int) -> list[str]:
    left, right, bottom = 90, WIDTH - 200, top + HEIGHT - 40
    height = HEIGHT - 40 - TOP
    most = max(value for line in lines for value in line.values) or 1.0
    step = (right - left) / (len(ticks) - 1)
    out = [f'<text x="10" y="{top + 18}" {TEXT} font-weight="bold">{escape(title)}</text>']
    for share in (0, 0.5, 1):
        y = bottom - share * height
        value = share * most
        shown = f"{value:,.0f}" if most >= 20 else f"{value:.1f}"
        out.append(f'<path d="M{left} {y:.0f}H{right}" stroke="{FAINT}"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end" {TEXT}>{shown}</text>')
    for number, tick in enumerate(ticks):
        x = left + number * step
        out.append(
            f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle" {TEXT}>{escape(tick)}</text>'
        )
    for number, line in enumerate(lines):
        points = [
            (left + i * step, bottom - value / most * height) for i, value in enumerate(line.values)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(
            f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"/>'
        )
        out += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.colour}"/>' for x, y in points
        ]
        y = top + TOP + number * 20
        out.append(f'<path d="M{right + 16} {y}h18" stroke="{line.colour}" stroke-width="2"/>')
        out.append(f'<text x="{right + 40}" y="{y + 4}" {TEXT}>{escape(line.label)}</text>')
    return out


def line_chart(ticks: Sequence[str], panels: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """One panel below the other, over the same ticks at equal distances. Each y axis begins at 0."""
    body: list[str] = []
    for number, (title, lines) in enumerate(panels):
        body += _line_panel(title, ticks, lines, number * HEIGHT)
    return _svg(body, len(panels) * HEIGHT)
