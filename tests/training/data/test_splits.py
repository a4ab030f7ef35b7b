import numpy as np
import pytest

from training.data.splits import hold_out


@pytest.mark.parametrize(("count", "held_out"), [(60_000, 5_000), (400, 40), (10, 1)])
def test_every_image_is_either_trained_on_or_held_out(count: int, held_out: int) -> None:
    training, validation = hold_out(count)
    assert len(validation) == held_out
    assert sorted([*training, *validation]) == list(range(count))


def test_the_same_images_are_always_held_out() -> None:
    assert np.array_equal(hold_out(400)[1], hold_out(400)[1])
