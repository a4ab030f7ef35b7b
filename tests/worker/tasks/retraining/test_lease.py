import threading

import pytest

from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.support.processes import wait_until
from worker.tasks.retraining import lease as lease_module
from worker.tasks.retraining.lease import Lease
from worker.tasks.retraining.register import Register


def test_a_lease_is_renewed_while_the_trainer_waits_for_the_api(
    client: SyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "TICK_S", 0.01)
    client.hset(keys.training("t1"), mapping={"model": "cnn", "state": "queued"})
    register = Register(client, "a", ttl_s=1000, heartbeat_ttl_s=10)
    lease = Lease(register, "t1", register.begin("t1"), threading.Event(), lambda: False)
    with lease.renewed(), SyncClient(connection_pool=client.connection_pool) as other:
        other.zadd(keys.TRAININGS_DUE, {"t1": 5})
        wait_until(lambda: other.zscore(keys.TRAININGS_DUE, "t1") != 5, "the lease is renewed")
    assert not lease.lost
