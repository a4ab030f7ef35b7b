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
    with engines.permits:
        batch = backlog.take()
        if not batch:
            yield None
            return
        ref = batch[0].delivery.entry.model
        engine = engines.lend(ref)
        try:
            yield batch, engine
        finally:
            engines.take_back(ref, engine)


@contextlib.contextmanager
def next_singles(
    backlog: Backlog, engines: EnginePool, ref: str, engine: Engine | ModelError
) -> Iterator[HandOver | None]:
    """Yield a batch of singles and an engine, for a thread before or between the runs of a batch of `ref` on `engine`.

    The thread has the permit of that batch. Each running batch uses one engine, so another version has an idle one.
    Singles of the same version run on `engine`. Yields None if no single can run.
    """
    batch = backlog.take_singles()
    if not batch:
        yield None
        return
    singles_ref = batch[0].delivery.entry.model
    lent = engine if singles_ref == ref else engines.lend(singles_ref)
    try:
        yield batch, lent
    finally:
        engines.take_back(singles_ref, None if lent is engine else lent)
