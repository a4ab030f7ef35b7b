"""Each image is decided by the first stage that is sure of it, and keeps its place."""

import numpy as np
import pytest

from shared.contract.layers_blob import MAX_VALUES, LayerOutput, layer_output
from shared.images import Images, Probabilities
from worker.engine.stages.cascade import Step, decide, merge_layers


class Stage:
    """Answers with one-hot rows of `sure` for images whose first pixel is below `reach`, and unsure ones else."""

    def __init__(self, label: int, reach: int) -> None:
        self.label, self.reach = label, reach
        self.seen: list[list[int]] = []

    def predict(self, images: Images) -> Probabilities:
        first = images[:, 0, 0]
        self.seen.append(first.tolist())
        outputs = np.full((len(images), 3), 0.25, np.float32)
        outputs[:, self.label] = np.where(first < self.reach, 0.9, 0.5)
        return outputs


def images(*first_pixels: int) -> Images:
    batch = np.zeros((len(first_pixels), 28, 28), np.uint8)
    batch[:, 0, 0] = first_pixels
    return batch


def test_images_are_passed_on_until_a_stage_is_sure_and_keep_their_places() -> None:
    stages = [Stage(0, 10), Stage(1, 20), Stage(2, 0)]
    outputs, numbers = decide(
        [Step(stage.predict, at) for stage, at in zip(stages, (0.8, 0.8, 0.0), strict=True)], images(25, 5, 15, 7, 30)
    )
    assert outputs.argmax(axis=1).tolist() == [2, 0, 1, 0, 2]
    assert numbers.tolist() == [2, 0, 1, 0, 2]
    assert numbers.dtype == np.uint8
    assert [stage.seen for stage in stages] == [[[25, 5, 15, 7, 30]], [[25, 15, 30]], [[25, 30]]]


def test_a_later_stage_does_not_run_if_nothing_is_passed_on() -> None:
    first, second = Stage(0, 99), Stage(1, 99)
    outputs, numbers = decide([Step(first.predict, 0.8), Step(second.predict, 0.0)], images(1, 2))
    assert (numbers.tolist(), second.seen, outputs.argmax(axis=1).tolist()) == ([0, 0], [], [0, 0])


def test_an_output_of_exactly_the_threshold_is_accepted() -> None:
    first, second = Stage(0, 0), Stage(1, 99)
    assert decide([Step(first.predict, 0.5), Step(second.predict, 0.0)], images(1))[1].tolist() == [0]
    assert decide([Step(first.predict, 0.51), Step(second.predict, 0.0)], images(1))[1].tolist() == [1]


def test_no_images_visit_only_the_first_stage() -> None:
    first, second = Stage(0, 99), Stage(1, 99)
    outputs, numbers = decide([Step(first.predict, 0.8), Step(second.predict, 0.0)], images())
    assert (outputs.shape, numbers.shape, second.seen) == ((0, 3), (0,), [])


def test_an_answer_that_is_not_finite_stays_the_fault_of_its_image() -> None:
    def broken(batch: Images) -> Probabilities:
        return np.full((len(batch), 3), np.nan, np.float32)

    outputs, numbers = decide([Step(broken, 0.8), Step(Stage(1, 99).predict, 0.0)], images(1))
    assert numbers.tolist() == [0]
    assert np.isnan(outputs).all()


def test_the_outputs_of_a_runtime_are_not_changed() -> None:
    kept = np.full((2, 3), 0.3, np.float32)
    kept.setflags(write=False)
    outputs, _ = decide([Step(lambda batch: kept, 0.8), Step(Stage(1, 99).predict, 0.0)], images(1, 2))
    assert outputs.max() == np.float32(0.9)


def test_an_error_of_a_later_stage_is_raised() -> None:
    def failing(batch: Images) -> Probabilities:
        raise ValueError("stage 2")

    with pytest.raises(ValueError, match="stage 2"):
        decide([Step(Stage(0, 0).predict, 0.8), Step(failing, 0.0)], images(1))


@pytest.mark.parametrize(("values", "names"), [
    (4, ["stage-1/conv", "stage-1/dense", "stage-2/conv", "stage-2/dense"]),
    (MAX_VALUES // 2 - 4, ["stage-2/conv", "stage-2/dense"]),
])  # fmt: skip
def test_layers_are_named_by_stage_and_those_of_the_last_stage_fit_always(values: int, names: list[str]) -> None:
    def layers() -> list[LayerOutput]:
        sizes = {"conv": values, "dense": 10}
        return [layer_output(name, "Layer", np.zeros(size, np.float32)) for name, size in sizes.items()]

    assert [output.name for output in merge_layers([layers(), layers()])] == names
