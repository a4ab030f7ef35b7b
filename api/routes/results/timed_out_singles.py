"""Single images that timed out while the client waited. The client gets an id to poll, like that of a job."""

import re
from collections.abc import Sequence

import msgspec

from api.http.uid import UID_CHARS
from api.queue.answers import replies
from api.queue.answers.job_view import block_item, queued_item, single_json
from api.queue.classify_request import ClassifyRequest
from api.queue.wakeups import GONE, LOST, result_call
from api.routes.parse_request import spec_of_version
from api.state import State
from shared.config.api_keys import ApiKey
from shared.contract.block import failed_block
from shared.contract.block.codec import decode_block
from shared.contract.codecs import JsonCodec
from shared.contract.model_ref import ModelRef
from shared.redis import keys

SINGLE_ID = re.compile(rf"([0-9a-f]{{{UID_CHARS}}})-([0-9]{{1,4}})")


class TimedOutSingle(msgspec.Struct, frozen=True):
    """The record of a single request that timed out. `client` is the name of the API key.

    `entry_id` is the id of its entry on the stream, or empty if the write of the entry had not ended. `at_ms` is the
    time of the time-out, or 0 in the record of an older API. The record outlives the result, because nobody knows
    beforehand when that will be written. `top` is as in a job.
    """

    model: str
    client: str
    request_id: str
    entry_id: str = ""
    at_ms: int = 0
    top: int | None = None


TIMED_OUT_SINGLE_CODEC = JsonCodec(TimedOutSingle, "a timed-out single")


async def remember_single(state: State, single_id: str, entry_id: str, asked: ClassifyRequest) -> None:
    """Store the id, so that `read_single` finds it."""
    now_ms = state.clock.now_ms()
    request_id = asked.origin.request_id or single_id
    timed_out = TimedOutSingle(asked.model, asked.caller.name, request_id, entry_id, now_ms, asked.top)
    data = TIMED_OUT_SINGLE_CODEC.encode(timed_out)
    await state.client.set(keys.timed_out_single(single_id), data, ex=keys.OPEN_TTL_S)


async def read_single(state: State, single_id: str, caller: ApiKey) -> tuple[replies.Job, replies.Item] | None:
    """Return state and item of a single image, or None if the id is unknown, a job's, or belongs to another key."""
    match = SINGLE_ID.fullmatch(single_id)
    if match is None:
        return None
    data, timed_out = await state.client.mget(keys.result(match[1]), keys.timed_out_single(single_id))
    position = int(match[2])
    asked = TIMED_OUT_SINGLE_CODEC.decode(timed_out) if timed_out is not None else None
    request_id = asked.request_id if asked else single_id
    labels = await labels_of(state, asked.model, asked.top) if asked else None
    if data is None:
        if asked is None or asked.client != caller.name:
            return None
        if await _is_gone(state, match[1], asked):
            if asked.at_ms and state.clock.now_ms() - asked.at_ms > state.settings.single_result_ttl_s * 1e3:
                return None  # its result may have been there and its time to live have ended
            lost = failed_block(position + 1, asked.model, LOST)
            lost_item = block_item(lost, position, 0, None, labels)
            return single_json(single_id, asked.model, request_id, lost, position), lost_item
        return single_json(single_id, asked.model, request_id, None, position), queued_item(labels is not None)
    block = decode_block(data)
    if position >= block.count or block.client != caller.name:
        return None
    item = block_item(block, position, 0, None, labels)
    return single_json(single_id, block.model, request_id, block, position), item


async def labels_of(state: State, model: str, top: int | None) -> Sequence[str] | None:
    """Return the names of a version's labels, or None if `top` says that the request wants none. Raises Unavailable."""
    if top is None:
        return None
    return (await spec_of_version(state, model)).labels


async def _is_gone(state: State, uid: str, asked: TimedOutSingle) -> bool:
    """Return whether Redis has neither the entry of a single image nor its result."""
    if not asked.entry_id:
        return False
    stream = keys.stream(ModelRef.parse(asked.model).name, "interactive")
    return bool(await state.client.eval(*result_call(uid, stream, asked.entry_id)) == GONE)
