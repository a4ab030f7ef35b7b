import threading
import time

from worker.threads import join_all


def test_all_threads_share_one_time_limit() -> None:
    ended, waiting = threading.Event(), [threading.Thread(target=lambda: ended.wait()) for _ in range(20)]
    for thread in waiting:
        thread.start()
    started_s = time.monotonic()
    join_all(waiting, 0.05)
    assert 0.05 <= time.monotonic() - started_s < 0.5
    ended.set()
    join_all(waiting, 5)
    assert not any(thread.is_alive() for thread in waiting)
