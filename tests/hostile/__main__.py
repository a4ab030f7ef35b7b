"""`python -m tests.hostile`: every bad input there is against a service of its own, and a table of what came of it.

Ends with 1 when one of them was answered by a server error or accepted, or when a process died of it.
"""

import sys
import tempfile
from pathlib import Path

from tests.hostile.drive import Tally, send_all
from tests.system import RedisServer, System, running

MB = 1 << 20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            with running(server.new_url()) as system:
                sys.exit(not report(system))
        finally:
            server.process.stop()


def report(system: System) -> bool:
    """Print the table; whether all is well."""
    send_all(system)  # once, so that what grows by being used for the first time has grown
    before_bytes = system.api.resident_bytes
    tallies = send_all(system)
    grown_mb = (system.api.resident_bytes - before_bytes) / MB
    restarts = sum(process.status is not None for process in (system.api, *system.workers.values()))
    print(table(tallies))
    print(f"API memory {grown_mb:+.1f} MiB, processes that ended {restarts}")
    complaints = [complaint for tally in tallies.values() for complaint in tally.complaints]
    print("\n".join(complaints))
    return not complaints and not restarts


def table(tallies: dict[str, Tally]) -> str:
    total = Tally(
        tried=sum(tally.tried for tally in tallies.values()),
        refused=sum(tally.refused for tally in tallies.values()),
        failed_alone=sum(tally.failed_alone for tally in tallies.values()),
        server_errors=sum(tally.server_errors for tally in tallies.values()),
    )
    rows = [
        f"| {kind} | {tally.tried} | {tally.refused} | {tally.failed_alone} | {tally.server_errors} |"
        for kind, tally in (*tallies.items(), ("all", total))
    ]
    return "\n".join(["| class | tried | 4xx | failed alone | 5xx |", "|---|--:|--:|--:|--:|", *rows])


if __name__ == "__main__":
    main()
