import hashlib
import hmac
import re
import time
from typing import Any

from tests.support.processes import ROOT
from worker.tasks.callbacks.signature import callback_headers, sign

SECRET = "sixteen-or-more-characters"  # noqa: S105


def test_the_signature_is_an_hmac_of_the_time_a_dot_and_the_body() -> None:
    expected = hmac.new(SECRET.encode(), b'1700000000.{"id":"j1"}', hashlib.sha256).hexdigest()
    assert sign(SECRET, "1700000000", b'{"id":"j1"}') == f"sha256={expected}"


def test_another_secret_time_or_body_has_another_signature() -> None:
    signatures = {
        sign(SECRET, "1", b"a"),
        sign(SECRET + "x", "1", b"a"),
        sign(SECRET, "2", b"a"),
        sign(SECRET, "1", b"b"),
    }
    assert len(signatures) == 4


def test_the_headers_say_whose_it_is_and_which_job_and_not_the_secret() -> None:
    headers = callback_headers(SECRET, "1700000000", b"{}", "j1")
    assert headers == {
        "Content-Type": "application/json",
        "User-Agent": "MNISTified",
        "MNISTified-Timestamp": "1700000000",
        "MNISTified-Signature": sign(SECRET, "1700000000", b"{}"),
        "Idempotency-Key": "j1",
    }
    assert SECRET not in str(headers)


def test_receivers_can_check_it_as_the_documentation_says() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/http-jobs.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102  # our own text
    now, old = str(int(time.time())), str(int(time.time()) - 3600)
    assert names["is_ours"](SECRET, callback_headers(SECRET, now, b"{}", "j1"), b"{}")
    assert not names["is_ours"](SECRET, callback_headers(SECRET, now, b"{}", "j1"), b"{ }")
    assert not names["is_ours"](SECRET, callback_headers(SECRET + "x", now, b"{}", "j1"), b"{}")
    assert not names["is_ours"](SECRET, callback_headers(SECRET, old, b"{}", "j1"), b"{}")
