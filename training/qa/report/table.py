"""The report as a table for a terminal."""

from training.qa.report.report import Check, Report, Unit

FORMATS: dict[Unit, str] = {
    **{"share": "{:.2%}", "probability": "{:.2f}", "p": "{:.2g}", "difference": "{:.2g}"},
    **{"images/s": "{:,.0f} images/s", "ms": "{:.2f} ms", "MiB": "{:.0f} MiB"},
}
HEAD = ("check", "measured", "bound", "champion", "")


def render(report: Report) -> str:
    """Return a line per check, then the verdict and the sentences of the failed checks."""
    rows = [HEAD, *(cells(check) for check in report.checks)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(parts))
        for parts in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([*lines, "", verdict(report), *(f"  {check.name}: {check.sentence}" for check in report.failed)])


def verdict(report: Report) -> str:
    """Return the result of the report in one sentence."""
    champion = f"compared with {report.champion}" if report.champion else "without a champion"
    result = f"failed {len(report.failed)} of {len(report.checks)} checks" if report.failed else "passed"
    return f"{report.model} {result}, {champion}, in {report.engine} on {report.dataset}"


def cells(check: Check) -> tuple[str, str, str, str, str]:
    """Return the cells of a row, in the order of HEAD."""
    return (
        check.name,
        show(check.measured, check.unit),
        _bound(check),
        show(check.champion, check.unit),
        outcome(check),
    )


def _bound(check: Check) -> str:
    if check.bound is None:
        return ""
    sign = "≥" if check.limit == "at_least" else "≤"
    return f"{sign} {show(check.bound, check.unit)}" + (" if worse" if check.unit == "p" else "")


def outcome(check: Check) -> str:
    if not check.passed:
        return "FAILED"
    return "not judged" if check.measured is not None and check.bound is None else "passed"


def show(value: float | None, unit: Unit) -> str:
    """Return a number formatted for its unit, or an empty text for None."""
    return "" if value is None else FORMATS[unit].format(value)
