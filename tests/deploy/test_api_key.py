import subprocess
import sys
from hashlib import sha256

import pytest

from shared.config.api_keys import ApiKey, parse_api_keys
from tests.support.processes import ROOT


def api_key(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "deploy.api_key", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_new_key_has_an_entry_that_the_setting_accepts() -> None:
    done = api_key("alice", "--admin", "--images-per-s", "500", "--max-queued-images", "20000")
    assert done.returncode == 0, done.stderr
    _, key, _, entry = done.stdout.splitlines()
    assert len(key) == 43
    assert parse_api_keys(entry) == (ApiKey("alice", sha256(key.encode()).hexdigest(), True, 500, 20_000),)


def test_every_key_is_different_and_has_only_the_requested_rights() -> None:
    first, second = (api_key("bob").stdout.splitlines() for _ in range(2))
    assert first[1] != second[1]
    (key,) = parse_api_keys(first[3])
    assert (key.admin, key.images_per_s, key.max_queued_images) == (False, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["Alice"], "key 1 has no name"),
        ([""], "key 1 has no name"),
        (["a b"], "key 'a'"),
        (["alice", "--images-per-s", "0"], "images_per_s=N"),
    ],
)
def test_an_entry_that_the_setting_would_refuse_is_refused_without_a_key(arguments: list[str], named: str) -> None:
    done = api_key(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr
