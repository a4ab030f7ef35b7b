"""Reading and writing the structures that are stored as JSON."""

from typing import Generic, TypeVar

import msgspec

from shared.errors import ContractError, MnistifiedError

T = TypeVar("T")


class JsonCodec(Generic[T]):
    """Writes values of one type as JSON, and validates what it reads."""

    def __init__(self, kind: type[T], noun: str, error: type[MnistifiedError] = ContractError) -> None:
        """`noun` is the name of the structure in an error of type `error`."""
        self._noun = noun
        self._error = error
        self._decoder = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()

    def encode(self, value: T) -> bytes:
        return self._encoder.encode(value)

    def decode(self, data: bytes | memoryview) -> T:
        """Raises the error of this codec if `data` is not such a structure."""
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._error(f"not {self._noun}: {error}") from None
