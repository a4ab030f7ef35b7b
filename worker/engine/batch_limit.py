"""The current batch size limit.

It starts at the calibrated size and shrinks while the machine is slower than it was during calibration.
"""

SMOOTHING = 0.2  # weight of the newest batch


class BatchLimit:
    """The limit of one version. Threads that run models share it: each update is one assignment."""

    def __init__(self, calibrated_images: int, max_batch_ms: float) -> None:
        self._calibrated_images = calibrated_images
        self._max_batch_ms = max_batch_ms
        self._ms_per_image = 0.0

    @property
    def images(self) -> int:
        """Return the number of images that keep a batch within its time limit, at most the calibrated number."""
        if not self._ms_per_image:
            return self._calibrated_images
        return max(1, min(self._calibrated_images, int(self._max_batch_ms / self._ms_per_image)))

    def observe(self, images: int, model_ms: float) -> None:
        """Update the limit. Only batches of at least half the limit count: small ones say nothing about large ones."""
        if images and 2 * images >= self.images:
            newest = model_ms / images
            before = self._ms_per_image or newest
            self._ms_per_image = before + SMOOTHING * (newest - before)
