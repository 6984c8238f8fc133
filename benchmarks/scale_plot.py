"""Cost against responses on two logarithmic axes, as one SVG that needs nothing else."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 420, 70, 40, 20, 50
COLORS = ("#1b6ca8", "#c8553d", "#4f772d")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.grid{stroke:#ddd}.rule{stroke:#999;"
    "stroke-dasharray:4 4}svg{background:#fff}"
)


def draw(curves: dict[str, Sequence[tuple[float, float]]], *, title: str) -> str:
    """Points (responses, seconds) by name, with a line of slope 1 through each last point."""
    points = [p for curve in curves.values() for p in curve]
    x0, x1 = (f(math.log10(p[0]) for p in points) for f in (min, max))
    y0, y1 = (f(math.log10(p[1]) for p in points) for f in (min, max))
    x0, x1, y0, y1 = math.floor(x0), math.ceil(x1), math.floor(y0), math.ceil(y1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        down = (y1 - y) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, TOP + down

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title><style>{STYLE}</style>",
        f'<text x="{LEFT}" y="22">{title}</text>',
    ]
    for x in range(x0, x1 + 1):
        (px, top), (_, low) = place(x, y1), place(x, y0)
        parts.append(_line((px, top), (px, low), "grid"))
        parts.append(_power(px, low + 18, x, "middle"))
    for y in range(y0, y1 + 1):
        (left, py), (right, _) = place(x0, y), place(x1, y)
        parts.append(_line((left, py), (right, py), "grid"))
        parts.append(_power(left - 8, py + 4, y, "end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">responses</text>')
    parts.append(f'<text x="{LEFT - 58}" y="{TOP - 8}">seconds</text>')
    for row, (name, curve) in enumerate(curves.items()):
        color = COLORS[row % len(COLORS)]
        logs = [(math.log10(x), math.log10(y)) for x, y in curve]
        reach = min(logs[-1][0] - x0, logs[-1][1] - y0)
        start = place(logs[-1][0] - reach, logs[-1][1] - reach)
        parts.append(_line(start, place(*logs[-1]), "rule"))
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (place(*p) for p in logs))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for (x, y), at in zip(curve, logs, strict=True):
            px, py = place(*at)
            parts.append(
                f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{color}">'
                f"<title>{name}: {x:,.0f} responses, {y:.3g} s</title></circle>"
            )
        parts.append(f'<rect x="{LEFT + 12}" y="{TOP + 8 + 20 * row}" width="14" height="4"')
        parts[-1] += f' fill="{color}"/>'
        parts.append(f'<text x="{LEFT + 32}" y="{TOP + 15 + 20 * row}">{name}</text>')
    y = TOP + 15 + 20 * len(curves)
    parts.append(_line((LEFT + 12, y - 4), (LEFT + 26, y - 4), "rule"))
    parts.append(f'<text x="{LEFT + 32}" y="{y}">cost in proportion to responses</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(a: tuple[float, float], b: tuple[float, float], kind: str) -> str:
    return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" class="{kind}"/>'


def _power(x: float, y: float, power: int, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">10'
        f'<tspan dy="-5" font-size="10">{power}</tspan></text>'
    )
