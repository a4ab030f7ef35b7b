"""What the layers of a model made of one image: how many may ask at a time, and what they are told."""

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
from shared.redis.connection import Client

logger = logging.getLogger(__name__)

MAX_REQUESTS = 16  # in one API process: an answer may have megabytes
DECIMALS = 4
GONE = "the layers are gone: the newest few are kept, and not for long; ask again"


class Verbose:
    """Reads and tells the layers that workers leave beside their results."""

    def __init__(self, client: Client, catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog
        self._requests = Capacity(MAX_REQUESTS, "verbose", "{} verbose requests are in progress in this process")

    async def require(self, ref: str) -> None:
        """Raises BadParameter for a version, `name@version`, that was published without its layers."""
        if not (await self._catalog.card(ref)).get("layer_outputs"):
            raise BadParameter(f"verbose=1: {ref} was published without its layers")

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Count a verbose request, from before its work to its response. Raises QueueFull after a delay."""
        if self._requests.full:
            await self._requests.refuse_late()
        with self._requests:
            yield

    async def beside(self, single_id: str, maps: Maps) -> dict[str, Any]:
        """For a reply, beside its answer; `layers` is null and `layers_error` says why where there are none."""
        try:
            return await self.read(single_id, maps)
        except NotFound:
            return {"layers": None, "layers_error": GONE}
        except RedisError as error:
            logger.warning("layers cannot be read: %s", error)
            return {"layers": None, "layers_error": f"the layers cannot be read: {error}"}

    async def read(self, result_id: str, maps: Maps) -> dict[str, Any]:
        """The same for a single's id or a job's. Raises NotFound where no layers are kept, and redis' errors."""
        data = await self._client.get(keys.layers(result_id.partition("-")[0]))
        if data is None:
            raise NotFound(
                f"no layers of {result_id}: not asked for with verbose=1, not there yet, or not kept any more"
            )
        return await asyncio.to_thread(layers_json, data, maps)


def layers_json(data: bytes, maps: Maps) -> dict[str, Any]:
    """A layers blob for a reply, encoded layer by layer, so that nothing here holds the GIL for long."""
    try:
        layers = decode_layers(data)
    except EntryError as error:
        logger.error("%s", error)
        return {"layers": None, "layers_error": str(error)}
    told: dict[str, Any] = {
        "layers": [orjson.Fragment(to_json(_layer_json(output, maps))) for output in layers.outputs] or None,
        "input": _input_json(layers, maps),
    }
    return told | {"layers_error": layers.error} if layers.error else told


def _layer_json(output: LayerOutput, maps: Maps) -> dict[str, Any]:
    told = {
        "name": output.name,
        "class": output.class_name,
        "shape": output.values.shape,
        "summary": output.summary,
    }
    if maps == "png":
        return told | picture(output.values)
    if maps == "numbers":
        return told | {"values": np.round(output.values.astype(np.float64), DECIMALS) + 0.0}  # no -0.0
    return told


def _input_json(layers: Layers, maps: Maps) -> dict[str, Any]:
    """The 28×28 pixels that the model saw."""
    (pixels,) = images_from_pixels(layers.pixels)
    shown = {"png": png_base64(pixels)} if maps == "png" else {"values": pixels}
    return {"shape": pixels.shape, "dtype": "uint8", **shown}
