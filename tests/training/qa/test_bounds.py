import pytest

from shared.errors import ModelError
from training.qa.bounds import Bounds, floor_of


def test_the_card_can_set_the_floor() -> None:
    assert floor_of({}) == 0.995
    assert floor_of({"floor": 0.98}) == 0.98


@pytest.mark.parametrize("floor", ["0.99", None, True, 0, 1.5, float("nan")])
def test_an_invalid_floor_is_refused(floor: object) -> None:
    with pytest.raises(ModelError, match=r"cnn@3 has floor=.*: expected 0 to 1"):
        floor_of({"name": "cnn", "version": 3, "floor": floor})


def test_a_class_may_have_four_times_the_mistakes_of_the_average() -> None:
    assert Bounds(floor=0.995).recall == pytest.approx(0.98)
    assert Bounds(floor=0.5).recall == 0
