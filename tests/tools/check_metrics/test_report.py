"""A check complains of what was not seen, or not soon enough, and of nothing else."""

from tools.check_metrics.drills import DRILLS, Drill, Seen
from tools.check_metrics.harm import nothing
from tools.check_metrics.report import complaints, drills_table
from tools.check_metrics.rules import read_alerts

DRILL = Drill(
    name="harm",
    counted_from="the harm",
    harm=lambda scene, happened: None,
    in_status=lambda code, status: True,
    in_metrics=lambda samples: True,
    alerts=("NoWorker", "NoProgress"),
    mend=nothing,
)
BLIND = Drill("harm", "the harm", DRILL.harm, None, None, ("ApiAway",), nothing)


def seen(in_status_s: float | None, in_metrics_s: float | None, **firing_s: float) -> Seen:
    return Seen("harm", 0.0, in_status_s, in_metrics_s, firing_s)


def test_what_is_seen_in_time_is_no_complaint() -> None:
    assert complaints([DRILL], [seen(1.0, 4.9, NoWorker=60.0, NoProgress=60.0)]) == []
    assert complaints([BLIND], [seen(None, None, ApiAway=3.0)]) == []


def test_what_is_late_or_missing_is_one() -> None:
    assert complaints([DRILL], [seen(5.1, None, NoWorker=1.0)]) == [
        "harm: seen in /status after 5.1 s",
        "harm: seen in /metrics after never s",
        "harm: NoProgress does not fire",
    ]


def test_the_table_has_alerts_in_the_order_in_which_they_fired() -> None:
    assert drills_table([DRILL], [seen(1.0, 2.0, NoWorker=9.0, NoProgress=3.0)]).splitlines()[-1] == (
        "| harm | the harm | 1.0 | 2.0 | `NoProgress` 3.0, `NoWorker` 9.0 |"
    )


def test_drills_are_for_alerts_that_are_there() -> None:
    assert {alert for drill in DRILLS for alert in drill.alerts} <= {rule["alert"] for rule in read_alerts()}
