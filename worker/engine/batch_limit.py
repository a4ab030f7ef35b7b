"""The current batch size limit.

It starts at the calibrated size and shrinks while batches take longer than during calibration: on a slower machine, or
if more images than usual reach the later stages of a cascade.
"""

# Weight of the newest batch. Batches that became too long are shortened at once, because other images wait for them.
RISING = 0.6
FALLING = 0.2


class BatchLimit:
    """The limit of one version. Threads that run models share it, and the engine pool locks each update.

    `images` is the number of images that keep a batch within its time limit, at most the calibrated number.
    """

    def __init__(self, calibrated_images: int, max_batch_ms: float) -> None:
        self.images = calibrated_images
        self._calibrated_images = calibrated_images
        self._max_batch_ms = max_batch_ms
        self._ms_per_image = 0.0

    def observe(self, images: int, model_ms: float) -> None:
        """Update the limit. Only batches of at least half the limit count: small ones do not predict large ones."""
        if images and 2 * images >= self.images:
            newest = model_ms / images
            before = self._ms_per_image or newest
            self._ms_per_image = before + (RISING if newest > before else FALLING) * (newest - before)
            if self._ms_per_image:
                fitting_images = int(self._max_batch_ms / self._ms_per_image)
                self.images = max(1, min(self._calibrated_images, fitting_images))
