import subprocess
import sys
from hashlib import sha256

import pytest

from shared.config.api_keys import ApiKey, parse_api_keys
from tests.support.processes import ROOT


def api_key(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "deploy.api_key", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_key_is_made_and_its_entry_is_what_the_setting_takes() -> None:
    told = api_key("alice", "--admin", "--images-per-s", "500", "--max-queued-images", "20000")
    assert told.returncode == 0, told.stderr
    _, key, _, entry = told.stdout.splitlines()
    assert len(key) == 43
    assert parse_api_keys(entry) == (ApiKey("alice", sha256(key.encode()).hexdigest(), True, 500, 20_000),)


def test_every_key_is_another_and_has_no_rights_that_were_not_asked_for() -> None:
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
def test_what_the_setting_would_not_take_is_refused_and_no_key_is_shown(arguments: list[str], named: str) -> None:
    told = api_key(*arguments)
    assert (told.returncode, told.stdout) == (1, "")
    assert named in told.stderr
    assert "Traceback" not in told.stderr
