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


def test_images_that_visit_all_stages_of_a_cascade_shrink_batches_within_three() -> None:
    limit = BatchLimit(64, 20)
    for _ in range(10):
        limit.observe(64, 64 * 0.06)
    batches_ms = []
    for _ in range(10):
        images = limit.images
        batches_ms.append(images * 3.0)
        limit.observe(images, batches_ms[-1])
    assert batches_ms[0] == 192, "nobody knows these images before the first batch"
    assert batches_ms[2] <= 30
    assert batches_ms[-1] <= 20
    while limit.images < 64:
        limit.observe(limit.images, limit.images * 0.06)


def test_a_batch_that_was_disturbed_costs_few_small_batches() -> None:
    limit = BatchLimit(64, 20)
    limit.observe(64, 64 * 0.06)
    limit.observe(64, 100.0)
    small = 0
    while limit.images < 64:
        limit.observe(limit.images, limit.images * 0.06)
        small += 1
    assert small <= 8
