"""The comparison of a shadow with its version."""

from typing import Any

from api.monitoring.shadows import describe_counts


def test_a_shadow_without_any_image_has_no_agreement() -> None:
    nothing: dict[str, Any] = {"images": 0, "agree": 0, "failed": 0, "skipped": 0, "agreement": None, "differ": {}}
    assert describe_counts({}) == nothing
    assert describe_counts({b"skipped": b"3"}) == nothing | {"skipped": 3}


def test_the_most_frequent_differences_come_first() -> None:
    fields = {b"images": b"10", b"agree": b"6", b"failed": b"1", b"4>9": b"1", b"3>5": b"2", b"1>7": b"1"}
    shadow = describe_counts(fields)
    assert (shadow["agreement"], shadow["failed"]) == (0.6, 1)
    assert list(shadow["differ"].items()) == [("3>5", 2), ("1>7", 1), ("4>9", 1)]
