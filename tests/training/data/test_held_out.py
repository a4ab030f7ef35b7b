import numpy as np
import pytest

from training.data.held_out import hold_out


@pytest.mark.parametrize(("count", "held_out"), [(60_000, 5_000), (400, 40), (10, 1)])
def test_held_out_images_are_not_trained_on(count: int, held_out: int) -> None:
    training, validation = hold_out(count)
    assert len(validation) == held_out
    assert sorted([*training, *validation]) == list(range(count))


def test_the_images_held_out_are_always_the_same() -> None:
    assert np.array_equal(hold_out(400)[1], hold_out(400)[1])
