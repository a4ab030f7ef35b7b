import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from api.images.fit.components import label
from tests.support.thoroughness import examples

masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def flooded(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Find components by walking from pixel to pixel. This is the oracle."""
    left = set(zip(*(each.tolist() for each in np.nonzero(mask)), strict=True))
    found = []
    while left:
        todo = [left.pop()]
        component = set(todo)
        while todo:
            y, x = todo.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            component |= near
            todo += near
        found.append(component)
    return found


@settings(max_examples=examples(200), deadline=None, database=None)
@given(masks)
def test_components_are_what_walking_from_pixel_to_pixel_finds(mask: np.ndarray) -> None:
    parts = label(mask)
    labelled = {
        frozenset(zip(*(each.tolist() for each in np.nonzero(parts.labels == 1 + index)), strict=True))
        for index in range(len(parts.area_px))
    }
    assert labelled == set(map(frozenset, flooded(mask)))
    assert (parts.labels > 0).sum() == mask.sum()


@settings(max_examples=examples(100), deadline=None, database=None)
@given(masks)
def test_areas_and_bounds_are_those_of_the_labels(mask: np.ndarray) -> None:
    parts = label(mask)
    for index in range(len(parts.area_px)):
        rows, columns = np.nonzero(parts.labels == index + 1)
        assert parts.area_px[index] == len(rows)
        assert (parts.top[index], parts.bottom[index]) == (rows.min(), rows.max())
        assert (parts.left[index], parts.right[index]) == (columns.min(), columns.max())
