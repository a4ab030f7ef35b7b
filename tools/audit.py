"""`python -m tools.audit`: known vulnerabilities among the pinned dependencies, by pip-audit.

Fails for a vulnerability. Where the registry has no advisories, or does not answer in time, it says so and passes.
"""

import json
import subprocess
import sys
from typing import Any

from tests.support.processes import ROOT

LONGEST_S = 20
SOCKET_TIMEOUT_S = 5
COMMAND = [
    sys.executable,
    "-m",
    "pip_audit",
    "-r",
    "requirements/constraints.txt",
    "--no-deps",
    "--disable-pip",
    "--format",
    "json",
]
OPTIONS = ["--progress-spinner", "off", "--desc", "off", "--timeout", str(SOCKET_TIMEOUT_S)]


def main() -> None:
    found, lines = audit([*COMMAND, *OPTIONS], LONGEST_S)
    print(*lines, sep="\n")
    sys.exit(1 if found else 0)


def audit(command: list[str], timeout_s: float) -> tuple[int, list[str]]:
    """Return the number of known vulnerabilities and a message. Blocks for `timeout_s` at most."""
    try:
        report = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
        return verdict(json.loads(report.stdout)["dependencies"])
    except subprocess.TimeoutExpired:
        return 0, [f"audit: nothing is known, the registry took longer than {timeout_s:g} s"]
    except ValueError:
        reason = (report.stderr.strip().splitlines() or ["no output"])[-1]
        return 0, [f"audit: nothing is known, pip-audit gave no report: {reason}"]


def verdict(dependencies: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Count the vulnerabilities in pip-audit's report. A skipped dependency has a `skip_reason` instead of `vulns`."""
    audited = [dependency for dependency in dependencies if "vulns" in dependency]
    found = [
        f"audit: {dependency['name']} {dependency['version']} has {vulnerability['id']}, "
        f"fixed in {', '.join(vulnerability['fix_versions']) or 'no version'}"
        for dependency in audited
        for vulnerability in dependency["vulns"]
    ]
    if not audited:
        return 0, ["audit: nothing is known, the registry offers no advisories"]
    checked = f"{len(audited)} of {len(dependencies)} dependencies"
    return len(found), [*found, f"audit: {checked} checked, {len(found)} known vulnerabilities"]


if __name__ == "__main__":
    main()
