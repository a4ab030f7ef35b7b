"""Large pictures from many clients at once take the memory of few, and delay nobody."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.system import System
from tests.support.uploads import zipped
from tools.fuzz.corpus_costly import FIT, FIT_BULK, picture
from tools.fuzz.costs import MAX_MEMORY_BYTES, watching

CLIENTS = 8


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", [FIT, FIT_BULK])
def test_eight_pictures_of_16_million_pixels_take_the_memory_of_two(system: System, path: str) -> None:
    body = picture("RGB") if path == FIT else zipped([("a.png", picture("RGB"))])
    with watching(system.api.pid, system.port) as watch:
        watch.begin()
        with ThreadPoolExecutor(CLIENTS) as clients:
            replies = list(clients.map(lambda _: system.http.post(path, content=body), range(CLIENTS)))
        cost = watch.cost()
    assert {reply.status_code for reply in replies} <= {202, 400, 429}, replies[0].text
    assert cost.memory_bytes < 2 * MAX_MEMORY_BYTES, f"{cost.memory_bytes >> 20} MiB"
