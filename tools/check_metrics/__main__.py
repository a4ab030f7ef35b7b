"""`python -m tools.check_metrics`, or `make check-metrics`: alerts and dashboard on a real service and a real
Prometheus.

A service of real processes under load, and a Prometheus (Debian's, skipped visibly without it) that scrapes it each
second. Every query of the alerts and of the dashboard has to bring data; then harm is done, and has to be seen in
`/status` and `/metrics` within five seconds, and to make its alerts fire: those of deploy/prometheus/alerts.yml, but
pending for two seconds at most. Ends with 1 when something is missing.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from shared.config.settings import load_settings
from shared.data.dataset import find_mnist_dir, load_split
from tools.check_metrics.drills import DRILLS, run_drill
from tools.check_metrics.figure import Chart, picture
from tools.check_metrics.prometheus import PENDING_S, Labels, Prometheus, is_installed, promtool
from tools.check_metrics.report import complaints, drills_table, queries_table
from tools.check_metrics.rules import ALERTS_FILE, PROMETHEUS, Query, legend, read_alerts, read_queries, selectors
from tools.check_metrics.scene import Scene

RATE_INTERVAL = "10s"  # with a scrape every second
WARM_S = 20.0
LOOK_BACK_S = 15.0
DRAWN = (
    "Do answers keep up with accepted images?",
    "How long does a client wait for one image?",
    "Where does the time of one image go?",
    "Are batches filling?",
    "How much is queued?",
    "How do requests end?",
    "How many workers are running?",
    "Do inputs resemble the training data?",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.check_metrics", description=__doc__)
    parser.add_argument("--figure", type=Path, help="file for the dashboard's queries as a picture, SVG")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the children end on TERM too
    if not is_installed():
        print("SKIPPED: there is no prometheus or promtool on the PATH; Debian's package is called prometheus")
        return
    print(check_files(), flush=True)
    with tempfile.TemporaryDirectory(prefix="check-metrics-") as folder:
        sys.exit(not check_service(Path(folder), arguments.figure))


def check_files() -> str:
    """Raises AssertionError if promtool refuses the rules."""
    return "".join(
        (
            promtool("check", "rules", str(ALERTS_FILE)),
            promtool("check", "config", str(PROMETHEUS / "prometheus.yml"), str(PROMETHEUS / "local.yml")),
            promtool("test", "rules", str(Path(__file__).with_name("alerts_test.yml"))),
        )
    )


def check_service(folder: Path, figure: Path | None) -> bool:
    """Run the check and return whether it passed."""
    test_set = load_split("test", find_mnist_dir(load_settings(os.environ).mnist_dir, "test"))
    (folder / "prometheus").mkdir()
    with Scene(folder, test_set) as scene, Prometheus(folder / "prometheus", scene.apis) as prometheus:
        time.sleep(WARM_S)
        print(f"targets up: {prometheus.targets_up()}", flush=True)
        first = [run_drill(drill, scene, prometheus) for drill in DRILLS[:1]]  # failures create series of their own
        found = look_up(prometheus)
        print(f"{queries_table(found)}\n", flush=True)
        missing = [query.expr for query, series in found if not series]
        seen = first + [run_drill(drill, scene, prometheus) for drill in DRILLS[1:]]
        if figure is not None:
            marks = [(one.at_s, one.drill) for one in seen]
            figure.write_text(draw(prometheus, marks, time.time()))
    print(f"Alerts pending for {PENDING_S} s at most, scraped each second, settings by default:\n")
    print(f"{drills_table(DRILLS, seen)}\n")
    failures = [*(f"no data: {expr}" for expr in missing), *complaints(DRILLS, seen)]
    print("\n".join(failures) or f"all {len(found)} queries bring data, all harm is seen, all of its alerts fire")
    return not failures


def look_up(prometheus: Prometheus) -> list[tuple[Query, int]]:
    """Return the number of series for each query of the dashboard and each selector of an alert."""
    queries = read_queries(RATE_INTERVAL)
    for rule in read_alerts():
        queries += [Query(f"alert {rule['alert']}", selector) for selector in selectors(rule["expr"])]
    end_s = time.time()
    return [
        (query, sum(bool(points) for points in prometheus.series(query.expr, end_s - LOOK_BACK_S, end_s, 1).values()))
        for query in queries
    ]


def draw(prometheus: Prometheus, marks: list[tuple[float, str]], end_s: float) -> str:
    """Draw the panels of DRAWN over the whole run."""
    charts = []
    for title in DRAWN:
        queries = [query for query in read_queries(RATE_INTERVAL) if query.panel == title]
        lines = {
            name_of(query, labels): points
            for query in queries
            for labels, points in prometheus.series(query.expr, prometheus.started_s, end_s, 1).items()
        }
        charts.append(Chart(title, queries[0].unit, lines))
    return picture("The dashboard's queries, while harm is done", charts, marks, prometheus.started_s, end_s)


def name_of(query: Query, labels: Labels) -> str:
    return legend(query.legend, dict(labels)) or "now"


if __name__ == "__main__":
    main()
