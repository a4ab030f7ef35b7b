"""Durations and sizes of the full measurement and of a smoke run of seconds."""

from dataclasses import dataclass

USUAL = ("ceiling", "bulk", "single", "mixed", "workers", "peers")
SECTIONS = (*USUAL, "overload", "published", "switch")  # the last three run only on request


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The durations and sizes of one round."""

    ceiling_s: float = 3.0
    warm_s: float = 1.0
    closed_s: float = 5.0
    open_s: float = 5.0
    connections: tuple[int, ...] = (1, 16, 64, 256)
    shares_of_capacity: tuple[float, ...] = (0.5, 0.8)
    bulk_images: tuple[int, ...] = (1_000, 10_000, 100_000)
    bulk_jobs: tuple[int, ...] = (9, 3, 1)  # jobs of each size per round; the median counts
    mixed_connections: int = 8
    mixed_images: int = 100_000
    worker_images: tuple[int, ...] = (10_000, 50_000)
    full_connections: int = 256  # enough to keep the service busy; the overload has ten times as many
    overload_s: float = 60.0


QUICK = Plan(
    ceiling_s=0.5,
    warm_s=0.2,
    closed_s=0.6,
    open_s=0.6,
    connections=(1, 16),
    bulk_images=(1_000, 2_000),
    bulk_jobs=(1, 1),
    mixed_images=5_000,
    worker_images=(2_000,),
    full_connections=16,
    overload_s=1.0,
)
