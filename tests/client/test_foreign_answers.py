"""The command line with another program at the service's address, and with an output that is full."""

import http.server
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mnistified.__main__ import main
from tests.support.processes import ROOT
from tests.support.threads import QuietHandler, serving

OUTPUT_FULL = b"mnistified: the output cannot be written: No space left on device\n"
JSON_OF_OTHERS = {"/list/status": b"[1]", "/object/status": b'{"status": "ok"}'}


class Foreign(QuietHandler):
    """Answers JSON of its own at some paths, and its usual error page elsewhere."""

    def do_GET(self) -> None:
        if self.path in JSON_OF_OTHERS:
            self.respond(200, JSON_OF_OTHERS[self.path])
        else:
            self.send_error(404)


@pytest.fixture
def foreign_url() -> Iterator[str]:
    with serving(server := http.server.HTTPServer(("127.0.0.1", 0), Foreign)):
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("command", ["status", "models", "results"])
def test_a_foreign_page_is_named_in_one_sentence(
    foreign_url: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command] if command != "results" else [command, "j0123456789abcdef0"]
    assert main(["--url", foreign_url, *words]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mnistified: 404 Not the API: a web page ('Error response') answered")


@pytest.mark.parametrize("path", ["/list", "/object"])
def test_a_foreign_json_is_not_a_status(foreign_url: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", foreign_url + path, "status"]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"mnistified: 200 Not the API: {foreign_url}{path}/status has no workers: another program has this address"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
def test_a_full_output_is_named_without_a_traceback() -> None:
    command = [sys.executable, "-m", "mnistified", "completion", "bash"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=ROOT / "client", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, OUTPUT_FULL)
