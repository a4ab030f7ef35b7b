"""The bound on how much larger an upload may become by unpacking."""

from shared.errors import TooLarge

FREE_BYTES = 16 << 20  # unpacked of any upload: small honest files, as of blank images, pack without bound


class Unpacked:
    """Counts what one upload unpacks to. Raises TooLarge beyond `limit_bytes`, or `ratio` times what was packed."""

    def __init__(self, limit_bytes: int, ratio: int) -> None:
        self.limit_bytes = limit_bytes
        self._ratio = ratio
        self._total_bytes = 0

    def add(self, unpacked_bytes: int, packed_bytes: int) -> None:
        """`packed_bytes` is how much of the upload has been read so far."""
        self._total_bytes += unpacked_bytes
        if self._total_bytes > self.limit_bytes:
            raise TooLarge(f"the body is larger than {self.limit_bytes} bytes")
        if self._total_bytes > max(FREE_BYTES, self._ratio * packed_bytes):
            raise TooLarge(f"the upload unpacks to more than {self._ratio} times its size")
