"""Draws the training curves of the demo models as SVG: `python curves.py OUT.svg CURVE.jsonl:FIGURE ...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP = 640, 300, 46, 16
COLOURS = ("#1b62c4", "#c4431b", "#2b8a3e", "#7a3fa0")


def main(out: str, *words: str) -> None:
    """One line a word, 0 to 1 over CPU minutes."""
    lines = []
    for word in words:
        path, _, figure = word.rpartition(":")
        rows = [json.loads(row) for row in Path(path).read_text().splitlines()]
        lines.append((f"{Path(path).parent.name} {figure}", [(row["cpu_seconds"] / 60, row[figure]) for row in rows]))
    longest = max(x for _, points in lines for x, _ in points)
    wide, high = WIDTH - LEFT - 16, HEIGHT - TOP - 40

    def place(x: float, y: float) -> str:
        return f"{LEFT + wide * x / longest:.1f},{TOP + high * (1 - y):.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for tenth in range(0, 11, 2):
        x, y = place(0, tenth / 10).split(",")
        parts.append(f'<path d="M{x},{y}H{WIDTH - 16}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4}" font-size="11" text-anchor="end">{tenth / 10}</text>')
    for minute in range(0, int(longest) + 1, max(1, int(longest) // 6)):
        x, y = place(minute, 0).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 16}" font-size="11" text-anchor="middle">{minute}</text>')
    parts.append(
        f'<text x="{WIDTH // 2}" y="{HEIGHT - 6}" font-size="11" text-anchor="middle">CPU minutes, one thread</text>'
    )
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = HEIGHT - 60 - 16 * number
        parts.append(f'<text x="{WIDTH - 24}" y="{y}" font-size="12" text-anchor="end" fill="{colour}">{name}</text>')
    Path(out).write_text("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
