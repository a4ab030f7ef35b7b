import numpy as np
from PIL import ImageFont

from training.data import typeset


def test_digits_have_the_size_and_position_of_mnists() -> None:
    images, labels = typeset.draw(200, seed=3)
    assert images.shape == (200, 28, 28)
    assert images.dtype == np.uint8
    assert labels.tolist() == [index % 10 for index in range(200)]
    inked = images > 0
    assert {int(side) for side in inked.any(2).sum(1)} <= {19, 20}
    mass = images.sum((1, 2))
    assert np.abs(images.sum(1) @ np.arange(28) / mass - 14).max() <= 0.5
    assert np.abs(images.sum(2) @ np.arange(28) / mass - 14).max() <= 0.5


def test_the_same_seed_draws_the_same_digits_and_another_does_not() -> None:
    assert np.array_equal(typeset.draw(50, seed=3)[0], typeset.draw(50, seed=3)[0])
    assert not np.array_equal(typeset.draw(50, seed=3)[0], typeset.draw(50, seed=4)[0])


def test_many_fonts_are_used_but_not_that_of_the_drawn_sample() -> None:
    families = [ImageFont.truetype(file).getname()[0] for file in typeset.font_files()]
    assert len(families) > 40
    drawn = ImageFont.load_default(size=20)
    assert isinstance(drawn, ImageFont.FreeTypeFont)
    assert drawn.getname()[0] not in families
