"""The number of examples of a property test: a tenth by default, and all with WIDE_TESTS=1 (`make test-all`)."""

import os

WIDE = os.environ.get("WIDE_TESTS") == "1"


def examples(wide: int) -> int:
    """Return the number of examples to try if a wide run tries `wide`."""
    return wide if WIDE else max(10, wide // 10)
