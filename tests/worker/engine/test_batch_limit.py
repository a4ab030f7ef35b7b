"""The limit follows the machine, both ways, and never passes what was calibrated."""

from worker.engine.batch_limit import BatchLimit


def test_before_anything_ran_the_limit_is_the_calibrated_one() -> None:
    assert BatchLimit(64, 50).images == 64


def test_a_machine_that_became_slow_gets_smaller_batches_and_a_recovered_one_the_old() -> None:
    limit = BatchLimit(64, 50)
    for _ in range(50):
        limit.observe(limit.images, limit.images * 2.0)
    assert limit.images == 25, "2 ms an image leave 25 within 50 ms"
    for _ in range(50):
        limit.observe(limit.images, limit.images * 0.1)
    assert limit.images == 64


def test_small_batches_say_nothing_of_large_ones() -> None:
    limit = BatchLimit(64, 50)
    for _ in range(50):
        limit.observe(1, 10.0)
    assert limit.images == 64


def test_there_is_always_room_for_one() -> None:
    limit = BatchLimit(64, 50)
    limit.observe(64, 1e9)
    assert limit.images == 1
