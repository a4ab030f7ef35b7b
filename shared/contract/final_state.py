"""What a final job is called, from its counts: `GET /results/{id}` and a callback say the same."""

from collections.abc import Mapping

COUNTERS = ("done", "failed", "expired", "cancelled")


def final_state(counts: Mapping[str, int], total: int) -> str:
    """`done`, `done_with_errors`, `expired` or `cancelled`; `counts` are in images, by COUNTERS."""
    if counts["cancelled"]:
        return "cancelled"
    if counts["expired"]:
        return "expired"
    return "done" if counts["done"] == total else "done_with_errors"
