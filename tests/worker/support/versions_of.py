"""Versions made by hand, for tests: loaded, or not, without an engine."""


class FakeVersions:
    """`sizes` has the most images of a batch by version; one that is not there is not loaded."""

    def __init__(self, **sizes: int) -> None:
        self.sizes = {f"{name}@1": size for name, size in sizes.items()}
        self.reserved: list[str] = []

    def max_images(self, ref: str) -> int:
        return self.sizes.get(ref, 0)

    def reserve(self, ref: str) -> int:
        if images := self.max_images(ref):
            self.reserved.append(ref)
        return images
