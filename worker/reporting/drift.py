"""Running histograms of the images and answers of each version, which the API compares with its card's."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from shared.answers import Answers
from shared.contract.drift_histograms import histograms
from shared.images import Images, Probabilities
from shared.redis import keys
from worker.reporting.tallies import Tallies

# Images are counted together per version: image by image, the overhead of numpy costs more than the counting.
GATHERED_IMAGES = 1024
GATHERED_BYTES = 1 << 20  # pixels and probabilities, after which fewer images are counted, too


@dataclass(slots=True)
class _Gathered:
    batches: list[tuple[Images, Probabilities]] = field(default_factory=list)
    images: int = 0
    size_bytes: int = 0


class Drift:
    """Counts each observed image once. Any thread may call any method."""

    def __init__(self, tallies: Tallies, clock_s: Callable[[], float]) -> None:
        self._tallies = tallies
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._gathered: defaultdict[str, _Gathered] = defaultdict(_Gathered)

    def observe(self, ref: str, images: Images, answers: Answers) -> None:
        """Add images of a batch and their answers. Do not change them afterwards."""
        with self._lock:
            gathered = self._gathered[ref]
            gathered.batches.append((images, answers.probabilities))
            gathered.images += len(images)
            gathered.size_bytes += images.nbytes + answers.probabilities.nbytes
            if gathered.images < GATHERED_IMAGES and gathered.size_bytes < GATHERED_BYTES:
                return
            del self._gathered[ref]
        self._count(ref, gathered)

    def flush(self) -> None:
        """Count the images observed so far."""
        with self._lock:
            gathered, self._gathered = self._gathered, defaultdict(_Gathered)
        for ref, each in gathered.items():
            self._count(ref, each)

    def _count(self, ref: str, gathered: _Gathered) -> None:
        images, probabilities = map(np.concatenate, zip(*gathered.batches, strict=True))
        fields = {
            f"{name}:{number}": int(count)
            for name, counts in histograms(images, probabilities).items()
            for number, count in enumerate(counts)
        }
        self._tallies.add(keys.drift(ref, keys.drift_window(self._clock_s())), fields)
