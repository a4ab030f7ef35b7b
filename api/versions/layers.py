"""The layer outputs of `?verbose=1`: their JSON, and the limit of concurrent requests."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
from redis.exceptions import RedisError

from api.http.capacity import Capacity
from api.http.parameters import Maps
from api.http.responses import to_json
from api.images.tiles import picture, png_base64
from api.versions.catalog import Catalog
from shared.contract.layers_blob import LayerOutput, Layers, decode_layers
from shared.errors import BadParameter, EntryError, NotFound
from shared.images import images_from_pixels
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.errors import explain

logger = logging.getLogger(__name__)

MAX_REQUESTS = 16  # per API process, because an answer may have megabytes
DECIMALS = 4
GONE = "the layers are gone: only the newest are kept, for a short time; repeat the request"


class Verbose:
    """Reads the layer outputs that workers store next to their results."""

    def __init__(self, client: AsyncClient, catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog
        self._requests = Capacity(MAX_REQUESTS, "verbose", "{} verbose requests are in progress in this process")

    async def require(self, ref: str) -> None:
        """Raise BadParameter if the version `name@version` was published without its layers."""
        if not (await self._catalog.card(ref)).get("layer_outputs"):
            raise BadParameter(f"verbose=1: {ref} was published without its layers")

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Count a verbose request, from before its work to its response. Raises QueueFull after a delay."""
        if self._requests.full:
            await self._requests.refuse_late()
        with self._requests:
            yield

    async def read_or_explain(self, single_id: str, maps: Maps) -> dict[str, Any]:
        """Return the layers for a response. If there are none, `layers` is null and `layers_error` has the reason."""
        try:
            return await self.read(single_id, maps)
        except NotFound:
            return {"layers": None, "layers_error": GONE}
        except RedisError as error:
            logger.warning("layers cannot be read: %s", error)
            return {"layers": None, "layers_error": f"the layers cannot be read: {explain(error)}"}

    async def read(self, result_id: str, maps: Maps) -> dict[str, Any]:
        """Return the layers of a single image or a job. Raises NotFound if there are none, and RedisError."""
        data = await self._client.get(keys.layers(result_id.partition("-")[0]))
        if data is None:
            raise NotFound(
                f"no layers of {result_id}: requested without verbose=1, not finished yet, or no longer kept"
            )
        return await asyncio.to_thread(layers_json, data, maps)


def layers_json(data: bytes, maps: Maps) -> dict[str, Any]:
    """Return a layers blob as JSON. Each layer is encoded separately, so that no call holds the GIL for long."""
    try:
        layers = decode_layers(data)
    except EntryError as error:
        logger.error("%s", error)
        return {"layers": None, "layers_error": str(error)}
    document: dict[str, Any] = {
        "layers": [orjson.Fragment(to_json(_layer_json(output, maps))) for output in layers.outputs] or None,
        "input": _input_json(layers, maps),
    }
    return document | {"layers_error": layers.error} if layers.error else document


def _layer_json(output: LayerOutput, maps: Maps) -> dict[str, Any]:
    layer = {"name": output.name, "class": output.class_name, "shape": output.values.shape, "summary": output.summary}
    if maps == "png":
        return layer | picture(output.values)
    if maps == "numbers":
        return layer | {"values": np.round(output.values.astype(np.float64), DECIMALS) + 0.0}  # no -0.0
    return layer


def _input_json(layers: Layers, maps: Maps) -> dict[str, Any]:
    """Return the pixels of the model's input."""
    (pixels,) = images_from_pixels(layers.pixels, layers.shape)
    shown = {"png": png_base64(pixels)} if maps == "png" else {"values": pixels}
    return {"shape": pixels.shape, "dtype": "uint8", **shown}
