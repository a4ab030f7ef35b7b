"""The report as a self-contained HTML page without scripts, with a strict Content-Security-Policy.

The page contains test images of MNIST, so it must not be committed.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from shared.data.dataset import Split
from shared.images import Images
from training.qa.report import charts, table
from training.qa.report.report import Reading, Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MAX_PICTURES = 40  # per section

STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #c62828; --ink: #1f2328; --paper: #fff; --line: #d0d7de;
  --own: #0969da; --champion: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --good: #57d364; --bad: #ff7b72; --ink: #e6edf3; --paper: #0d1117;
  --line: #3d444d; --own: #58a6ff; --champion: #d29922; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 small { font-weight: normal; font-size: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: right; }
.checks th:first-child, .checks td:first-child, .checks td:last-child { text-align: left; }
.checks td:not(:last-child) { white-space: nowrap; }
.checks td:last-child { font-size: 13px; min-width: 16rem; }
.passed { color: var(--good); } .failed { color: var(--bad); font-weight: bold; }
.confusion td { text-align: center; min-width: 2.4rem; border: 1px solid var(--line); padding: .2rem; }
.confusion th { text-align: center; }
.columns { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
svg { width: 26rem; max-width: 100%; font-size: 11px; }
svg text { fill: currentColor; } .frame { fill: none; stroke: var(--line); }
.even { stroke: var(--line); stroke-dasharray: 4; }
polyline { fill: none; stroke-width: 1.5; } polyline.own { stroke: var(--own); }
polyline.champion { stroke: var(--champion); }
circle.own { fill: var(--own); } circle.champion { fill: var(--champion); }
.key-own { color: var(--own); } .key-champion { color: var(--champion); }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; list-style: none; }
.pictures li { width: 6.2rem; font-size: 12px; text-align: center; }
.pictures img { width: 84px; height: 84px; image-rendering: pixelated; display: block; margin: 0 auto .2rem; }
"""


def render(report: Report, test: Split) -> str:
    """Return the page as HTML. The indices in the report refer to the images of `test`."""
    state = "passed" if report.passed else "failed"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.model)}: {state}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        f'<h1>{escape(report.model)} <span class="{state}">{state}</span></h1>',
        f"<p>{escape(table.verdict(report))}, {escape(report.finished)}, in {report.wall_s:.0f} s.</p>",
        _checks(report),
    ]
    if report.reading:
        parts += _reading(report, report.reading, test)
    if report.champion and report.reading:
        parts.append(_differences(report, test))
    return "\n".join([*parts, "</body>\n</html>\n"])


def _checks(report: Report) -> str:
    champion = f"<th>{escape(report.champion)}</th>" if report.champion else ""
    rows = []
    for check in report.checks:
        name, measured, bound, champions, outcome = (escape(cell) for cell in table.cells(check))
        champion_cell = f"<td>{champions}</td>" if report.champion else ""
        rows.append(
            f"<tr><td>{name}</td><td>{measured}</td><td>{bound}</td>{champion_cell}"
            f'<td class="{outcome.lower()}">{outcome}</td><td>{escape(check.sentence)}</td></tr>'
        )
    head = f"<tr><th>check</th><th>measured</th><th>bound</th>{champion}<th></th><th></th></tr>"
    return (
        f'<h2>Checks</h2>\n<div class="scroll"><table class="checks">\n{head}\n' + "\n".join(rows) + "\n</table></div>"
    )


def _reading(report: Report, reading: Reading, test: Split) -> list[str]:
    champion, names = report.champion_reading, test.label_names
    key = f'<p><span class="key-own">● {escape(report.model)}</span>'
    if champion:
        key += f' <span class="key-champion">● {escape(report.champion or "")}</span>'
    mistakes = reading.images - reading.correct
    worst = reading.mistakes[:MAX_PICTURES]
    captions = [
        (each.index, f"{names[each.label]}, read as {names[each.prediction]} ({each.confidence:.2f})") for each in worst
    ]
    return [
        '<div class="columns">',
        f"<section><h2>Confusion matrix</h2>\n{_confusion(reading, champion, names)}</section>",
        f"<section><h2>Confidence and accuracy</h2>\n{key}</p>",
        charts.reliability(reading.reliability, champion.reliability if champion else None),
        "</section>\n</div>",
        f"<h2>Worst mistakes</h2>\n<p>{mistakes} mistakes on {reading.images} images, by falling confidence.</p>",
        _pictures(captions, test.images),
    ]


def _confusion(reading: Reading, champion: Reading | None, names: Sequence[str]) -> str:
    """Return the confusion matrix with a row per label. The shade of a cell grows with the logarithm of its count."""
    if not reading.confusion:
        return "<p>Not shown for so many labels.</p>"
    largest = max(max(row) for row in reading.confusion)
    rows = []
    for digit, counts in enumerate(reading.confusion):
        cells = "".join(_cell(count, largest, digit == answer) for answer, count in enumerate(counts))
        recalls = [each.recall[digit] for each in (reading, champion) if each]
        recall_cells = "".join(f"<td>{recall:.2%}</td>" if any(counts) else "<td>no images</td>" for recall in recalls)
        rows.append(f"<tr><th>{escape(names[digit])}</th>{cells}{recall_cells}</tr>")
    answers = "".join(f"<th>{escape(name)}</th>" for name in names)
    head = f"<tr><th></th>{answers}<th>recall</th>{'<th>champion’s</th>' if champion else ''}</tr>"
    return f'<div class="scroll"><table class="confusion">\n{head}\n' + "\n".join(rows) + "\n</table></div>"


def _cell(count: int, largest: int, correct: bool) -> str:
    if not count:
        return "<td></td>"
    percent = 10 + 50 * np.log1p(count) / np.log1p(largest)
    colour = f"color-mix(in srgb, var(--{'good' if correct else 'bad'}) {percent:.0f}%, transparent)"
    return f'<td style="background: {colour}">{count}</td>'


def _differences(report: Report, test: Split) -> str:
    champion, model = escape(report.champion or ""), escape(report.model)
    return "\n".join(
        f"<h2>Correct in {one}, wrong in {other}</h2>\n"
        + _pictures([(index, test.label_names[test.labels[index]]) for index in indices], test.images)
        for one, other, indices in ((model, champion, report.gained), (champion, model, report.lost))
    )


def _pictures(captions: Sequence[tuple[int, str]], images: Images) -> str:
    """Return the first MAX_PICTURES pictures of `captions`, which are pairs (image index, caption)."""
    if not captions:
        return "<p>None.</p>"
    items = [
        f'<li><img src="{charts.picture(images[index])}" alt="test image {index}">#{index}<br>{escape(caption)}</li>'
        for index, caption in captions[:MAX_PICTURES]
    ]
    more = f"\n<p>Only the first {len(items)} are shown.</p>" if len(captions) > len(items) else ""
    return f'<ul class="pictures">\n{"".join(items)}\n</ul>{more}'
