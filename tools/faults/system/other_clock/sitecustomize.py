"""Python imports this module at its start, if its folder is on the path: the machine's clock is wrong by CLOCK_SHIFT_S.

Clocks that nobody sets, such as `time.monotonic`, are right.
"""

import os
import time

SHIFT_S = float(os.environ.get("CLOCK_SHIFT_S", "0"))
SHIFT_NS = round(SHIFT_S * 1e9)
true_s, true_ns = time.time, time.time_ns

time.time = lambda: true_s() + SHIFT_S
time.time_ns = lambda: true_ns() + SHIFT_NS
