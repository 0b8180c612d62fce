# SPDX-License-Identifier: BSD-2-Clause
"""Results as a line, as a table, as JSON and as a plot."""

import html
import json
import statistics
from dataclasses import asdict

COLUMNS = ("workload", "figure", "must", "aim", "measured", "spread", "osync s", "other s",
           "CPU s here/there", "peak MiB here/there", "MB sent/received", "trips")
LEFT_OUT = ("aim", "MB sent/received", "trips")  # of the short table


def number(value):
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def middle(result):
    return statistics.median(result.values) if result.values else float("nan")


def spread(result):
    return f"{number(min(result.values))}–{number(max(result.values))}" if result.values else "–"


def verdict(result):
    measured = middle(result)
    return "aim" if measured <= result.aim else "must" if measured <= result.must else "MISSED"


def line(result):
    return (f"{result.workload:58} {result.what:28} {number(middle(result)):>8} "
            f"({spread(result)})  must {number(result.must)}, aim {number(result.aim)}: "
            f"{verdict(result)}")


def median_of(samples, name):
    return statistics.median(getattr(sample, name) for sample in samples)


def cells(result):
    mine = result.samples.get("osync") or []
    peer = next((samples for name, samples in result.samples.items()
                 if name != "osync" and result.what.endswith(f"/ {name}")), None)

    def pair(first, second, scale=1.0):
        return f"{number(median_of(mine, first) / scale)}/{number(median_of(mine, second) / scale)}"

    return [result.workload, result.what, number(result.must), number(result.aim),
            f"**{number(middle(result))}**", spread(result), number(median_of(mine, "wall_s")),
            number(median_of(peer, "wall_s")) if peer else "–", pair("cpu_s", "far_cpu_s"),
            pair("peak_mib", "far_peak_mib"), pair("sent", "received", 1e6),
            f"{median_of(mine, 'trips'):.0f}"]


def table(results, left_out=()):
    kept = [number for number, name in enumerate(COLUMNS) if name not in left_out]
    rows = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, results)]
    return "".join(f"| {' | '.join(row[number] for number in kept)} |\n" for row in rows)


# -- the plot: a bar for each figure, as a share of what it must be

WIDTH, LEFT, BAR, GAP = 900, 430, 16, 8
FULL = 300  # the length of a bar that is exactly what it must be


def plot(results):
    """An SVG: bars that end left of the line have reached what they must."""
    height = len(results) * (BAR + GAP) + 40
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for place, result in enumerate(results):
        top = 20 + place * (BAR + GAP)
        share = middle(result) / result.must
        length = min(max(share, 0) * FULL, WIDTH - LEFT - 60)
        colour = {"aim": "#2a7", "must": "#6a6", "MISSED": "#c53"}[verdict(result)]
        label = html.escape(f"{result.workload}: {result.what}")
        parts += [f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{label}</text>',
                  f'<rect x="{LEFT}" y="{top}" width="{length:.0f}" height="{BAR}" '
                  f'fill="{colour}"/>',
                  f'<text x="{LEFT + length + 4:.0f}" y="{top + 12}">{number(middle(result))}</text>',
                  f'<line x1="{LEFT + FULL * result.aim / result.must:.0f}" y1="{top - 2}" '
                  f'x2="{LEFT + FULL * result.aim / result.must:.0f}" y2="{top + BAR + 2}" '
                  f'stroke="#888"/>']
    parts += [f'<line x1="{LEFT + FULL}" y1="12" x2="{LEFT + FULL}" y2="{height - 16}" '
              f'stroke="black"/>',
              f'<text x="{LEFT + FULL}" y="{height - 2}" text-anchor="middle">must reach</text>',
              "</svg>"]
    return "\n".join(parts)


def write(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    (folder / "table.md").write_text(table(results))
    (folder / "short.md").write_text(table(results, LEFT_OUT))
    (folder / "plot.svg").write_text(plot(results))
    print(f"written to {folder}")
