"""`python -m tools.fit_accuracy`: the accuracy of the default model on pictures that `?fit=digit` has fitted.

The rendered set is drawn each time, from its own seed. Parameters were chosen with other seeds, and on MNIST's training
images. Type is listed separately, because the model has learnt handwriting. The last line is type without fitting.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import numpy as np

from api.images.fit import fit_grey, fit_picture
from benchmarks.system.engine import engine_alone
from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from shared.errors import BadImage
from shared.images import Images, Probabilities, images_from_pixels
from shared.models.registry import load_version
from shared.shapes import IMAGE_BYTES
from tools.abstaining.curve import print_curve
from tools.fit_accuracy.mnist_frames import mnist_frames
from tools.fit_accuracy.papers import picture
from tools.fit_accuracy.rendered import Hand, printed_images
from worker.engine import load_engine

SEED = 2026
TYPE_PART = 0.2  # part of the rendered set
MAX_PIXELS = 1 << 24
Right = dict[str, list[bool]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fit_accuracy", description=__doc__)
    parser.add_argument("--rendered", type=int, default=1000, help="pictures of the project's own (default: 1000)")
    parser.add_argument("--frames", type=int, default=10_000, help="MNIST test images in frames (default: 10000)")
    parser.add_argument("--keep", type=Path, help="folder for the rendered pictures that the model got wrong")
    parser.add_argument("--model", help="version (default: the one that answers requests without `?model=`)")
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="registry folder for --model")
    arguments = parser.parse_args()
    engine = (
        load_engine("litert", load_version(arguments.models_dir, arguments.model).directory, threads=1)
        if arguments.model
        else engine_alone()[0]
    )

    def predict(images: Images) -> Probabilities:
        return engine.predict(images).probabilities

    tell(rendered(predict, arguments.rendered, arguments.keep))
    if (mnist_dir := find_mnist_dir(load_settings(os.environ).mnist_dir, "test")) and arguments.frames:
        split = load_split("test", mnist_dir)
        images, labels = split.images[: arguments.frames], split.labels[: arguments.frames]
        fitted = fit_all((lambda frame=frame: fit_grey(frame).tobytes()) for frame in mnist_frames(images, SEED))  # type: ignore[misc]
        answers = engine.predict(fitted)
        tell({"MNIST in frames of 640×480": list(answers.probabilities.argmax(1) == labels)})
        if answers.scores is not None:
            print_curve(answers, Split(split.name, images, labels), engine.rule)
        tell({"the same images as they are": list(predict(images).argmax(1) == labels)})
    images, labels = printed_images()
    tell({"type drawn in 28×28, not fitted": list(predict(images).argmax(1) == labels)})


def rendered(predict: Callable[[Images], np.ndarray], count: int, keep: Path | None) -> Right:
    """Return for each kind of picture whether the model is right about each image."""
    random = Random(SEED)
    pictures: list[tuple[int, str, Hand, bytes]] = []
    for index in range(count):
        hand: Hand = "set in type" if random.random() < TYPE_PART else "written"
        data, kind = picture(index % 10, hand, random)
        pictures.append((index % 10, kind, hand, data))
    fitted = fit_all((lambda data=data: fit_picture(data, MAX_PIXELS)) for *_, data in pictures)  # type: ignore[misc]
    right: Right = {"rendered, all": []}
    for index, (prediction, (digit, kind, hand, data)) in enumerate(
        zip(predict(fitted).argmax(1), pictures, strict=True)
    ):
        for name in ("rendered, all", f"  {hand}", f"  {hand}, {kind}"):
            right.setdefault(name, []).append(prediction == digit)
        if keep and prediction != digit:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{index}-{kind}-{digit}-as-{prediction}.{'png' if kind == 'drawing' else 'jpg'}").write_bytes(data)
    return dict(sorted(right.items(), key=lambda each: (each[0].startswith(" "), each[0])))


def fit_all(fits: Iterable[Callable[[], bytes]]) -> Images:
    """Return a black image if no digit is found, which the model gets wrong nine times in ten."""
    return images_from_pixels(b"".join(fitted_or_black(fit) for fit in fits))


def fitted_or_black(fit: Callable[[], bytes]) -> bytes:
    try:
        return fit()
    except BadImage:
        return bytes(IMAGE_BYTES)


def tell(right: Right) -> None:
    for name, each in right.items():
        print(f"{name:36} {np.mean(each):8.2%} of {len(each)}", flush=True)


if __name__ == "__main__":
    main()
