"""Draw bars that can be read on a light page and on a dark one."""

from collections.abc import Sequence
from html import escape

from .measure import Bar

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .note { font-size: 11px; fill: #59636e; }
  .bar { fill: #0969da; }
  path { fill: none; stroke: #8c959f; stroke-width: 2; }
  .spread { stroke: #1f2328; }
  .target { stroke: #cf222e; stroke-width: 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .bar { fill: #4493f8; }
    .spread { stroke: #f0f6fc; }
    .target { stroke: #ff7b72; }
  }
"""
NOTE = "bar: the median; line in it: quartiles; grey: the baseline; red: the target"

# In pixels: the height of a row, the width of the labels, the longest bar, the numbers.
ROW, LEFT, LONGEST, RIGHT = 24, 360, 360, 50


def draw(title: str, bars: Sequence[Bar]) -> str:
    """Return an SVG with a bar for each ratio."""
    scale = LONGEST / max(max(bar.spread.high, bar.target or 1) for bar in bars)
    width, height = LEFT + LONGEST + RIGHT, ROW * (len(bars) + 3)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    parts = [
        f'{head} role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text x="4" y="{ROW - 6}">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        parts += draw_bar(bar, ROW * (number + 1.5), scale)
    baseline = f"M{LEFT + scale:.1f} {ROW * 1.5}V{ROW * (len(bars) + 1.5)}"
    parts += [f'<path d="{baseline}"/>']
    parts += [f'<text class="note" x="4" y="{height - 10}">{NOTE}</text>', "</svg>\n"]
    return "\n".join(parts)


def draw_bar(bar: Bar, top: float, scale: float) -> list[str]:
    """Return what shows a ratio: its name, bar, quartiles, number, and the target."""
    low, median, high = (
        LEFT + value * scale
        for value in (bar.spread.low, bar.spread.median, bar.spread.high)
    )
    line, middle, bottom = top + ROW * 0.7, top + ROW / 2, top + ROW
    size = f'width="{median - LEFT:.1f}" height="{ROW - 6}"'
    parts = [
        f'<text x="{LEFT - 8}" y="{line}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="bar" x="{LEFT}" y="{top + 3}" {size}/>',
        f'<path class="spread" d="M{low:.1f} {middle}H{high:.1f}"/>',
        f'<text x="{LEFT + LONGEST + 8}" y="{line}">{bar.spread.median:.2f}</text>',
    ]
    if bar.target is not None:
        target = LEFT + bar.target * scale
        parts += [f'<path class="target" d="M{target:.1f} {top}V{bottom}"/>']
    return parts
