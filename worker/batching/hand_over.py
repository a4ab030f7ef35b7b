"""The hand-over of a batch from the backlog, through an engine of the pool, to the thread that runs it.

Lock order: a thread that holds one of these may wait only for those after it.

1. a permit of `EnginePool.permits`, one for each engine that may run at a time
2. the lock of `Backlog`
3. the lock of `EnginePool`

The locks of `HeldEntries` and of a `Delivery` are held for a few statements, in which no other lock is taken. Only
`HeldEntries._finishing` is held while Redis answers, by a thread that holds nothing else.
"""

import contextlib
from collections.abc import Iterator

from shared.errors import ModelError
from worker.batching.backlog import Backlog
from worker.delivery import Slice
from worker.engine import Engine
from worker.engine.pool import EnginePool

HandOver = tuple[list[Slice], Engine | ModelError]  # the error is that of a version that did not load


@contextlib.contextmanager
def next_batch(backlog: Backlog, engines: EnginePool) -> Iterator[HandOver | None]:
    """Yield the next batch and an engine of its version. Both, and the permit, are released in every case.

    Blocks until an engine is free: images that arrive until then still join the batch. Yields None if there is no
    batch, because another thread took it first.
    """
    with engines.permits, _with_engine(engines, backlog.take()) as handed_over:
        yield handed_over


@contextlib.contextmanager
def short_batch(backlog: Backlog, engines: EnginePool) -> Iterator[HandOver | None]:
    """Do what `next_batch` does, but yield None if the next batch takes long, or if no engine is free now."""
    if not engines.permits.acquire(blocking=False):
        yield None
        return
    try:
        with _with_engine(engines, backlog.take(short=True)) as handed_over:
            yield handed_over
    finally:
        engines.permits.release()


@contextlib.contextmanager
def _with_engine(engines: EnginePool, batch: list[Slice]) -> Iterator[HandOver | None]:
    if not batch:
        yield None
        return
    with contextlib.ExitStack() as lent:
        engine: Engine | ModelError
        try:
            engine = lent.enter_context(engines.engine(batch[0].delivery.entry.model))
        except ModelError as error:
            engine = error.with_traceback(None)  # a traceback would reference this frame, and make a cycle
        yield batch, engine
