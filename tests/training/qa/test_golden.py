from pathlib import Path

import numpy as np

from training.qa import golden


def test_each_digit_is_drawn_in_three_styles_reproducibly() -> None:
    images, labels = golden.draw()
    assert (images.shape, images.dtype.name) == ((30, 28, 28), "uint8")
    assert labels.tolist() == list(range(10)) * 3
    assert np.array_equal(images, golden.draw()[0])
    assert len(np.unique(images, axis=0)) == 30


def test_the_ink_is_centred_and_touches_no_edge() -> None:
    images, _ = golden.draw()
    places = np.arange(28)
    for image in images.astype(float):
        assert not image[[0, -1]].any()
        assert not image[:, [0, -1]].any()
        for axis in (0, 1):
            assert abs(image.sum(axis=axis) @ places / image.sum() - 13.5) < 0.3


def test_the_published_model_classifies_all_of_them_confidently(model_dir: Path) -> None:
    from worker.engine.litert import LiteRTRuntime

    images, labels = golden.draw()
    answers = LiteRTRuntime(model_dir / "model.tflite", threads=1).run(images)
    assert answers.argmax(axis=1).tolist() == labels.tolist()
    assert answers.max(axis=1).min() > 0.9
