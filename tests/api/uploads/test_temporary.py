"""A full disk, and other refusals of the system during an upload, are a 503 with Retry-After."""

import errno
import io
import os
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from api.http import responses
from tests.api.uploads.archives.test_members import FILES
from tests.support.api_in_process import running_api
from tests.support.uploads import tarred, zipped
from tools.fuzz.case import BULK

Fail = Callable[..., Any]


class FullFile(io.BytesIO):
    """A file on a full disk. Like a real one, it may report this only when its buffer is written."""

    def __init__(self, buffered: bool) -> None:
        super().__init__()
        self.buffered = buffered

    def write(self, data: Any) -> int:
        if not self.buffered:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)

    def seek(self, *args: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refuse(number: int) -> Fail:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("create", "reason"),
    [
        (lambda: FullFile(buffered=False), "No space left on device"),
        (lambda: FullFile(buffered=True), "No space left on device"),
        (refuse(errno.EMFILE), "Too many open files"),
        (refuse(errno.EDQUOT), "quota"),
        (refuse(errno.ENOENT), "No such file"),  # tempfile raises it if no folder can be written
    ],
)
@pytest.mark.parametrize("pack", [zipped, tarred])
async def test_a_temporary_file_that_the_system_refuses_is_a_503(
    create: Fail, reason: str, pack: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, scratch_url: str
) -> None:
    async with running_api(scratch_url) as http:
        monkeypatch.setattr(tempfile, "TemporaryFile", create)
        reply = await http.post(BULK, content=pack(FILES))
        assert reply.status_code == 503
        assert reply.headers["content-type"] == "application/problem+json"
        assert int(reply.headers["retry-after"]) >= 1
        assert reason in reply.json()["detail"]
        monkeypatch.undo()
        assert (await http.post(BULK, content=pack(FILES))).status_code == 202


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EMFILE, "no file"), OSError(errno.ENOSPC, "full")])
def test_what_the_machine_has_run_out_of_elsewhere_is_a_503_too(error: Exception) -> None:
    answer = responses.problem(responses.unexpected(error))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
