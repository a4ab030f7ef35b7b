"""The limit of an upload's unpacked size."""

from shared.errors import TooLarge

FREE_BYTES = 16 << 20  # allowed at any ratio, because legitimate files such as blank images can have a high one


class Unpacked:
    """Counts the unpacked bytes of one upload. Raises TooLarge above `limit_bytes` or `ratio` times the packed size."""

    def __init__(self, limit_bytes: int, ratio: int) -> None:
        self.limit_bytes = limit_bytes
        self._ratio = ratio
        self._total_bytes = 0

    def add(self, unpacked_bytes: int, packed_bytes: int) -> None:
        """Count unpacked bytes. `packed_bytes` is the size of the upload read so far."""
        self._total_bytes += unpacked_bytes
        if self._total_bytes > self.limit_bytes:
            raise TooLarge(f"the body is larger than {self.limit_bytes} bytes")
        if self._total_bytes > max(FREE_BYTES, self._ratio * packed_bytes):
            raise TooLarge(f"the upload unpacks to more than {self._ratio} times its size")
