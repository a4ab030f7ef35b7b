"""Workers count their images and answers, in memory and then in Redis."""

import threading

import numpy as np

from shared.answers import Answers
from shared.contract.drift_histograms import histograms
from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.worker.support.deliveries_of import images
from worker.reporting.drift import GATHERED_IMAGES, Drift
from worker.reporting.tallies import Tallies

NOW_S = 1e9
KEY = keys.drift("cnn@1", keys.drift_window(NOW_S))


def answers(count: int) -> np.ndarray:
    return np.random.default_rng(1).dirichlet(np.ones(10), count).astype(np.float32)


def stored(client: SyncClient, key: str = KEY) -> dict[str, dict[int, int]]:
    """Counts by histogram and bin, those over 0."""
    counts: dict[str, dict[int, int]] = {}
    for field, count in client.hgetall(key).items():
        name, _, number = field.decode().partition(":")
        counts.setdefault(name, {})[int(number)] = int(count)
    return counts


def expected(batch: np.ndarray, answered: np.ndarray) -> dict[str, dict[int, int]]:
    return {
        name: {number: int(count) for number, count in enumerate(counts) if count}
        for name, counts in histograms(batch, answered).items()
    }


def test_every_image_is_counted_once_however_the_batches_come(client: SyncClient) -> None:
    count = GATHERED_IMAGES + 500
    batch, answered = images(count), answers(count)
    tallies = Tallies(100)
    drift = Drift(tallies, lambda: NOW_S)

    def observe(rows: range) -> None:
        for start in rows:
            drift.observe("cnn@1", batch[start : start + 7], Answers(answered[start : start + 7]))

    threads = [threading.Thread(target=observe, args=(range(first, count, 28),)) for first in (0, 7, 14, 21)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    drift.flush()
    tallies.write(client)
    assert stored(client) == expected(batch, answered)


def test_versions_and_windows_are_counted_apart(client: SyncClient) -> None:
    batch, answered = images(4), answers(4)
    now_s = NOW_S
    tallies = Tallies(100)
    drift = Drift(tallies, lambda: now_s)
    drift.observe("cnn@1", batch[:2], Answers(answered[:2]))
    drift.observe("cnn@2", batch[2:], Answers(answered[2:]))
    drift.flush()
    now_s += keys.DRIFT_WINDOW_S
    drift.observe("cnn@1", batch, Answers(answered))
    drift.flush()
    tallies.write(client)
    assert stored(client) == expected(batch[:2], answered[:2])
    assert stored(client, keys.drift("cnn@2", keys.drift_window(NOW_S))) == expected(batch[2:], answered[2:])
    assert stored(client, keys.drift("cnn@1", keys.drift_window(now_s))) == expected(batch, answered)
