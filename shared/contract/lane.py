"""The two lanes of a queue: single images that somebody waits for, and jobs."""

from typing import Literal

Lane = Literal["interactive", "bulk"]
LANES: tuple[Lane, Lane] = ("interactive", "bulk")
