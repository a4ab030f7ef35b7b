"""Single images that timed out while the client waited. The client gets an id to poll, like that of a job."""

import re
from typing import Any

import orjson

from api.http.uid import UID_CHARS
from api.queue.classify_request import ClassifyRequest
from api.queue.job_view import block_item, queued_item, single_json
from api.state import State
from shared.config.api_keys import ApiKey
from shared.contract.block import Block, decode_block
from shared.redis import keys

SINGLE_ID = re.compile(rf"([0-9a-f]{{{UID_CHARS}}})-([0-9]{{1,4}})")


async def remember_single(state: State, single_id: str, asked: ClassifyRequest) -> None:
    """Store the id, so that `read_single` finds it."""
    timed_out = orjson.dumps(
        {"model": asked.model, "client": asked.caller.name, "request_id": asked.origin.request_id or single_id}
    )
    await state.client.set(keys.timed_out_single(single_id), timed_out, ex=state.settings.single_result_ttl_s)


async def read_single(state: State, single_id: str, caller: ApiKey) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return state and item of a single image, or None if the id is unknown, a job's, or belongs to another key."""
    match = SINGLE_ID.fullmatch(single_id)
    if match is None:
        return None
    data, timed_out = await state.client.mget(keys.result(match[1]), keys.timed_out_single(single_id))
    block: Block | None = decode_block(data) if data is not None else None
    position = int(match[2])
    asked = orjson.loads(timed_out) if timed_out is not None else {}
    request_id = asked.get("request_id", single_id)
    if block is None:
        if asked.get("client") != caller.name:
            return None
        return single_json(single_id, asked["model"], request_id, None, position), queued_item()
    if position >= block.count or block.client != caller.name:
        return None
    return single_json(single_id, block.model, request_id, block, position), block_item(block, position, 0, None)
