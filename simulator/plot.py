"""Draws docs/rate-control.svg from traces of the simulator: quota, pace and refusals of three scenarios.

    python3 simulator/plot.py SIMULATE OUT.svg    SIMULATE is the built example, target/release/examples/simulate
"""

import csv
import io
import pathlib
import subprocess
import sys

SCENARIOS = pathlib.Path(__file__).parent / "scenarios.jsonl"
CASES = [
    ("B1 step slog", "The quota falls from 40 to 24 a minute, unannounced, and comes back"),
    ("D4 tenant on/off60% slog", "Another client uses the key for five minutes, then leaves it for five"),
    ("E1 brownouts", "The upstream refuses everything for 20, 60 and 90 seconds: no limit, so none is learned"),
]
STEP = 5
WIDTH, PANEL, LEFT, TOP, GAP = 920, 190, 46, 34, 62
RIGHT = WIDTH - 16
MOST = 50


def trace(simulate, name):
    command = [simulate, str(SCENARIOS), "--only", name, "--trace", "-", "--trace-step", str(STEP)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [{key: float(value or 0) for key, value in row.items()} for row in csv.DictReader(io.StringIO(done.stdout))]


def panel(rows, title, top):
    end = rows[-1]["seconds"]

    def x(seconds):
        return LEFT + seconds / end * (RIGHT - LEFT)

    def y(rpm):
        return top + PANEL - rpm / MOST * PANEL

    def line(points, style):
        path = " ".join(f"{x(seconds):.1f},{y(rpm):.1f}" for seconds, rpm in points)
        return f'<polyline points="{path}" {style}/>'

    def stairs(column):
        last = None
        for row in rows:
            if last is not None and row[column] != last:
                yield row["seconds"], last
            yield row["seconds"], row[column]
            last = row[column]

    minute = 60 // STEP
    served = [
        (row["seconds"], sum(each["accepted"] for each in rows[max(0, index - minute + 1) : index + 1]))
        for index, row in enumerate(rows)
        if index >= minute
    ]
    parts = [f'<text x="{LEFT}" y="{top - 10}" class="title">{title}</text>']
    for rpm in range(0, MOST + 1, 10):
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y(rpm):.1f}" y2="{y(rpm):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(rpm) + 4:.1f}" class="tick" text-anchor="end">{rpm}</text>')
    for seconds in range(0, int(end) + 1, 600):
        parts.append(f'<text x="{x(seconds):.1f}" y="{top + PANEL + 16}" class="tick" text-anchor="middle">{seconds // 60} min</text>')
    parts.append(line(stairs("quota_rpm"), 'class="quota"'))
    parts.append(line(served, 'class="served"'))
    parts.append(line(stairs("effective_rpm"), 'class="pace"'))
    for row in rows:
        if row["refused"]:
            height = 5 * row["refused"]
            parts.append(f'<line x1="{x(row["seconds"]):.1f}" x2="{x(row["seconds"]):.1f}" y1="{top + PANEL}" y2="{top + PANEL - height:.1f}" class="refused"/>')
    return parts


def legend(top):
    words = [("quota", "the upstream's quota"), ("pace", "Pacer's pace"), ("served", "served in the last minute"), ("refused", "refusals (429)")]
    parts, left = [], LEFT
    for style, text in words:
        parts.append(f'<line x1="{left}" x2="{left + 22}" y1="{top}" y2="{top}" class="{style}"/>')
        parts.append(f'<text x="{left + 28}" y="{top + 4}" class="tick">{text}</text>')
        left += 60 + 7 * len(text)
    return parts


def main():
    simulate, out = sys.argv[1:]
    height = TOP + len(CASES) * (PANEL + GAP) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Quota, pace and refusals in three simulated cases">',
        "<style>text{font:12px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:13px}.grid{stroke:#e4e4e4}"
        "polyline{fill:none;stroke-linejoin:round}.quota{stroke:#999;stroke-width:1.5;stroke-dasharray:5 4}.pace{stroke:#1f5fbf;stroke-width:2}"
        ".served{stroke:#3a9d5d;stroke-width:1}.refused{stroke:#c8332b;stroke-width:1.5}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for index, (name, title) in enumerate(CASES):
        parts += panel(trace(simulate, name), title, TOP + index * (PANEL + GAP))
    parts += legend(height - 14)
    pathlib.Path(out).write_text("\n".join(parts) + "\n</svg>\n", encoding="utf-8")


if __name__ == "__main__":
    main()
