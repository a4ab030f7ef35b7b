"""The synchronous client against the running service."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnistified import Client, NotFound, Refused, Unreachable
from shared.data.dataset import Split
from shared.data.idx import parse
from tests.client.conftest import FOLDER_IMAGES
from tests.support.registries import DEFAULT
from tests.support.system import System
from tools.fit_accuracy.mnist_frames import mnist_frames


@pytest.fixture(scope="module")
def service(system: System) -> Iterator[Client]:
    with Client(system.url) as client:
        yield client


@pytest.fixture(scope="module")
def expected(service: Client, test_set: Split) -> list[int | None]:
    return [item.prediction for item in service.submit(test_set.images[:200]).items()]


def test_every_form_of_an_image_gives_the_same_answer(service: Client, test_set: Split, tmp_path: Path) -> None:
    array = test_set.images[7]
    picture = Image.fromarray(array)
    file = tmp_path / "7.png"
    picture.save(file)
    forms: list[Any] = [
        array,
        array.T.copy().T,
        picture,
        file,
        str(file),
        file.read_bytes(),
        io.BytesIO(file.read_bytes()),
    ]
    answers = [service.classify(form) for form in forms]
    assert {answer.probabilities for answer in answers} == {answers[0].probabilities}
    assert len(answers[0].probabilities) == 10
    assert answers[0].prediction == int(np.argmax(answers[0].probabilities))
    assert answers[0].model == DEFAULT.ref


def test_a_picture_in_another_mode_is_sent_without_loss(service: Client, test_set: Split) -> None:
    picture = Image.fromarray(test_set.images[7])
    assert service.classify(picture.convert("F")).prediction == service.classify(picture).prediction


def test_a_refusal_is_raised_with_its_detail(service: Client) -> None:
    with pytest.raises(Refused, match=r"expected a 28×28 image, got 5×5") as refused:
        service.classify(Image.new("L", (5, 5)))
    assert refused.value.status == 400
    with pytest.raises(NotFound, match="no model"):
        service.classify(Image.new("L", (28, 28)), model="nosuch")


@pytest.mark.parametrize(
    "form", ["array", "strided", "rows", "list", "mixed", "iterator", "npy", "zip", "opened", "idx.gz"]
)
def test_every_form_of_many_images_gives_the_same_results(
    form: str, service: Client, test_set: Split, pngs: list[bytes], expected: list[int | None], tmp_path: Path
) -> None:
    images = test_set.images[:200]
    job = service.submit(many(form, images, pngs, tmp_path))
    assert job.wait(50).counts["done"] == 200
    assert [item.prediction for item in job.items()] == expected


def many(form: str, images: Any, pngs: list[bytes], tmp_path: Path) -> Any:
    if form in ("npy", "zip", "opened", "idx.gz"):
        return archive(form, images, pngs, tmp_path)
    doubled = np.repeat(images, 2, axis=0)
    forms = {
        "array": images,
        "strided": doubled[::2],
        "rows": images.reshape(200, 784),
        "list": list(images),
        "mixed": [Image.fromarray(images[0]), io.BytesIO(pngs[1]), *pngs[2:]],
        "iterator": iter(pngs),
    }
    return forms[form]


def archive(form: str, images: Any, pngs: list[bytes], tmp_path: Path) -> Any:
    path = tmp_path / f"digits.{form}"
    if form == "idx.gz":
        import gzip

        head = b"\x00\x00\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (200, 28, 28))
        assert parse(head + images.tobytes())[0] == (200, 28, 28)
        path.write_bytes(gzip.compress(head + images.tobytes()))
    elif form == "npy":
        np.save(path, images)
    else:
        with zipfile.ZipFile(path, "w") as packed:
            for index, png in enumerate(pngs):
                packed.writestr(f"{index}.png", png)
    return io.BytesIO(path.read_bytes()) if form == "opened" else path


def test_a_folder_is_sent_in_the_order_of_names(service: Client, folder: Path, expected: list[int | None]) -> None:
    items = list(service.submit(folder).items())
    assert [item.name for item in items] == [
        *(f"{index:03}.png" for index in range(200)),
        *(f"more/{index:03}.PNG" for index in range(200, FOLDER_IMAGES)),
    ]
    assert [item.prediction for item in items] == [expected[index % 200] for index in range(FOLDER_IMAGES)]


@pytest.mark.parametrize("form", ["array", "picture", "file"])
def test_a_picture_of_any_size_is_fitted_and_returned(
    form: str, service: Client, test_set: Split, tmp_path: Path
) -> None:
    (frame,) = (frame.astype(np.uint8) for frame in mnist_frames(test_set.images[3:4], 1))
    picture = Image.fromarray(frame)
    picture.save(tmp_path / "3.png")
    forms = {"array": frame, "picture": picture, "file": tmp_path / "3.png"}
    result = service.classify(forms[form], fit=True)
    assert result.prediction == test_set.labels[3]
    assert result.fitted is not None
    assert service.classify(result.fitted).prediction == test_set.labels[3]


@pytest.mark.parametrize("form", ["array", "list", "generator"])
def test_many_pictures_of_any_size_are_fitted(form: str, service: Client, test_set: Split) -> None:
    frames = np.stack([frame.astype(np.uint8) for frame in mnist_frames(test_set.images[:4], 1)])
    forms: dict[str, Any] = {"array": frames, "list": list(frames), "generator": (frame for frame in frames)}
    items = service.submit(forms[form], fit=True).items()
    assert [item.prediction for item in items] == test_set.labels[:4].tolist()


def test_an_array_of_black_on_white_is_fitted(service: Client, test_set: Split) -> None:
    items = service.submit(255 - test_set.images[:4], fit=True).items()
    assert [item.prediction for item in items] == test_set.labels[:4].tolist()


def test_a_bad_image_does_not_affect_other_images(service: Client, pngs: list[bytes]) -> None:
    job = service.submit([pngs[0], b"no image", pngs[1]])
    states = [(item.state, item.error is None) for item in job.items()]
    assert states == [("done", True), ("failed", False), ("done", True)]
    assert job.wait().state == "done_with_errors"


@pytest.mark.parametrize("key", ["zürich", "two\nlines", "a" * 300, " spaces ", "\ud800"])
def test_a_job_may_have_any_key(service: Client, pngs: list[bytes], key: str) -> None:
    first = service.submit(pngs[:1], idempotency_key=key)
    assert service.submit(pngs[:1], idempotency_key=key).id == first.id
    assert service.submit(pngs[:1], idempotency_key=key + "x").id != first.id


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"headers": {"X-Request-ID": "zürich"}}, "X-Request-ID 'zürich' cannot be sent in a header"),
        ({"headers": {"X-Request-ID": "two\r\nlines"}}, r"X-Request-ID 'two\\r\\nlines' cannot be sent"),
        ({"key": "secret\n"}, "the key cannot be sent in a header: expected printable ASCII"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_before_any_request(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        Client("http://127.0.0.1:9", **options)
    assert "secret" not in str(refused.value)


def test_the_same_key_and_images_give_the_same_job(service: Client, pngs: list[bytes]) -> None:
    ids = {service.submit(pngs, idempotency_key="client-twice").id for _ in range(2)}
    assert len(ids) == 1
    assert service.submit(pngs).id not in ids


def test_items_can_start_anywhere(service: Client, pngs: list[bytes]) -> None:
    job = service.submit(pngs)
    job.wait(50)
    assert [item.index for item in job.items(start=150)] == list(range(150, 200))


def test_cancelling_a_final_job_changes_nothing(service: Client, pngs: list[bytes]) -> None:
    job = service.submit(pngs[:2])
    job.wait(50)
    assert job.cancel().state == "done"


def test_a_service_that_does_not_listen_is_unreachable() -> None:
    with Client("http://127.0.0.1:9", retries=0) as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        client.status()


def test_models_and_status_are_read(service: Client, system: System) -> None:
    assert "cnn" in service.models()
    assert service.status()["model"]["name"] == "cnn"


def test_aliases_are_changed_and_their_changes_read(service: Client) -> None:
    name, version = DEFAULT.ref.split("@")
    change = service.set_alias(name, "sync", int(version), reason="a test", wait_s=20)
    assert (change["from"], change["to"]["version"], change["reason"]) == (None, int(version), "a test")
    assert service.delete_alias(name, "sync")["to"] is None
    assert [each["to"] is None for each in service.alias_changes(name, 2)] == [True, False]
    with pytest.raises(NotFound, match="has no alias 'sync'"):
        service.delete_alias(name, "sync")


def test_a_test_image_comes_with_its_label(service: Client, test_set: Split) -> None:
    image, label, dataset = service.test_image(3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(image))), test_set.images[3])
    assert (label, dataset) == (int(test_set.labels[3]), test_set.name)


def test_a_job_and_a_result_render_in_a_notebook(service: Client, pngs: list[bytes]) -> None:
    job = service.submit(pngs[:3])
    job.wait(50)
    assert '<progress max="3" value="3">' in job._repr_html_()
    shown = service.classify(pngs[0])._repr_html_()
    assert shown.count("<tr>") == 10
    assert "data:image/png;base64," in shown


def test_an_answer_below_the_threshold_is_unsure(service: Client, test_set: Split) -> None:
    sure = service.classify(test_set.images[7], accept=0.1)
    unsure = service.classify(test_set.images[7], accept=1)
    assert (sure.state, sure.confident, sure.guesses) == ("done", True, ())
    assert (unsure.state, unsure.confident, unsure.prediction) == ("unsure", False, None)
    assert unsure.guesses[0].prediction == sure.prediction
    assert unsure.guesses[0].confidence == pytest.approx(max(sure.probabilities), abs=1e-5)
    assert "unsure" in unsure._repr_html_()
    job = service.submit(test_set.images[:3], accept=1)
    assert [(item.state, item.prediction, len(item.guesses)) for item in job.items()] == [("unsure", None, 3)] * 3
    assert job.wait().counts["unsure"] == 3
