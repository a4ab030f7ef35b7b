import time

import pytest

from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from tests.support.heartbeats import NOTHING_LOADED
from worker.reporting.heartbeat import HeartbeatWriter
from worker.reporting.metrics import Metrics


@pytest.mark.parametrize("error_s", [-3600, -12, 12, 3600])
def test_a_worker_with_a_wrong_clock_beats_at_redis_time_and_removes_nobody(
    client: SyncClient, monkeypatch: pytest.MonkeyPatch, error_s: float
) -> None:
    now_s = client.time()[0]
    client.zadd(keys.WORKERS, {"other": now_s - 5, "gone": now_s - 20})
    true_s = time.time
    monkeypatch.setattr(time, "time", lambda: true_s() + error_s)
    HeartbeatWriter(client, "mine", 10, Metrics(), "", RedisClock()).write(NOTHING_LOADED, 0)
    assert client.zscore(keys.WORKERS, "mine") == pytest.approx(now_s, abs=5)
    assert client.zscore(keys.WORKERS, "other") is not None
    assert client.zscore(keys.WORKERS, "gone") is None
