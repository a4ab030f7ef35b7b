"""Reading and writing the structures that are stored as JSON, or as Redis hashes."""

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from shared.errors import ContractError, MnistifiedError

T = TypeVar("T")
Record = TypeVar("Record", bound=msgspec.Struct)


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


class HashCodec(Generic[Record]):
    """Writes structures as the fields of a hash, without `id`, which is in the key, and validates on reading."""

    def __init__(self, kind: type[Record], noun: str, json_fields: Collection[str] = ()) -> None:
        """`noun` is the name of the structure in an error. `json_fields` are stored as JSON."""
        self._kind = kind
        self._noun = noun
        self._json_fields = json_fields
        self._names = frozenset(name.encode() for name in kind.__struct_encode_fields__)

    def encode(self, value: Record) -> dict[str, str | int | bytes]:
        """Return the fields of the hash, without those that are None."""
        fields = msgspec.to_builtins(value)
        return {
            name: msgspec.json.encode(field) if name in self._json_fields else field
            for name, field in fields.items()
            if field is not None and name != "id"
        }

    def decode(self, key_id: str, fields: Mapping[bytes, bytes]) -> Record:
        """Raises ContractError if the fields are not those of such a structure. A newer release may add fields."""
        try:
            texts: dict[str, Any] = {
                name.decode(): field.decode() for name, field in fields.items() if name in self._names
            }
            texts |= {name: msgspec.json.decode(texts[name]) for name in self._json_fields if name in texts}
            return msgspec.convert({**texts, "id": key_id}, self._kind, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ContractError(f"{key_id} is not {self._noun}: {error}") from None
