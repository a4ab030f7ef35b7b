"""Labels and pictures of many test images in one response of a real API."""

import io

import numpy as np
import pytest
from PIL import Image

from api.routes.dataset_sheets import COLUMNS, MAX_IMAGES
from shared.data.dataset import Split
from tests.support.system import System


def test_the_labels_are_those_of_the_test_set(system: System, test_set: Split) -> None:
    reply = system.http.get("/mnist/labels")
    assert reply.json() == {"dataset": test_set.name, "labels": test_set.labels.tolist()}
    assert reply.headers["x-dataset"] == test_set.name


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (3, COLUMNS), (10, 60), (190, 100)])
def test_a_sheet_has_the_images_row_by_row(system: System, test_set: Split, offset: int, limit: int) -> None:
    reply = system.http.get("/mnist/sheet", params={"offset": offset, "limit": limit})
    assert (reply.headers["content-type"], reply.headers["x-dataset"]) == ("image/png", test_set.name)
    sheet = np.asarray(Image.open(io.BytesIO(reply.content)))
    images = test_set.images[offset : offset + limit]
    rows = -(-len(images) // COLUMNS)
    assert sheet.shape == (rows * 28, COLUMNS * 28)
    tiles = sheet.reshape(rows, 28, COLUMNS, 28).swapaxes(1, 2).reshape(-1, 28, 28)
    np.testing.assert_array_equal(tiles[: len(images)], images)
    assert not tiles[len(images) :].any()


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=0", f"limit={MAX_IMAGES + 1}"])
def test_a_malformed_sheet_is_a_422(system: System, query: str) -> None:
    assert system.http.get(f"/mnist/sheet?{query}").status_code == 422


def test_a_sheet_past_the_end_is_a_404(system: System, test_set: Split) -> None:
    reply = system.http.get("/mnist/sheet", params={"offset": len(test_set.images)})
    assert reply.status_code == 404
    assert str(len(test_set.images)) in reply.json()["detail"]


@pytest.mark.parametrize("path", ["/mnist/labels", "/mnist/sheet?limit=50"])
def test_cached_content_is_not_sent_again(system: System, path: str) -> None:
    tag = system.http.get(path).headers["etag"]
    again = system.http.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert system.http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_other_images_have_another_tag(system: System) -> None:
    tags = {system.http.get(f"/mnist/sheet?offset={offset}&limit=5").headers["etag"] for offset in (0, 5, 10)}
    assert len(tags) == 3
