"""The largest batch as things are now: calibrated on start, and less while the machine is slower than it was then."""

SMOOTHING = 0.2  # weight of the newest batch


class BatchLimit:
    """Shared by the threads that run models; each update is one assignment."""

    def __init__(self, calibrated_images: int, max_batch_ms: float) -> None:
        self._calibrated_images = calibrated_images
        self._max_batch_ms = max_batch_ms
        self._ms_per_image = 0.0

    @property
    def images(self) -> int:
        """As many as keep a batch within the limit of time, and never more than calibrated."""
        if not self._ms_per_image:
            return self._calibrated_images
        return max(1, min(self._calibrated_images, int(self._max_batch_ms / self._ms_per_image)))

    def observe(self, images: int, model_ms: float) -> None:
        """Small batches say nothing of large ones: only those of at least half the limit count."""
        if images and 2 * images >= self.images:
            newest = model_ms / images
            before = self._ms_per_image or newest
            self._ms_per_image = before + SMOOTHING * (newest - before)
