import re

import pytest

from shared.config.api_keys import ApiKey, parse_api_keys

A, B = "a" * 64, "0123456789abcdef" * 4


def test_an_entry_is_a_name_a_hash_and_options_in_any_order() -> None:
    assert parse_api_keys(f"alice:{A}") == (ApiKey("alice", A),)
    assert parse_api_keys(f"ops-2:{B}:admin") == (ApiKey("ops-2", B, admin=True),)
    expected = ApiKey("alice", A, True, images_per_s=500, max_queued_images=20_000)
    assert parse_api_keys(f"alice:{A}:max_queued_images=20000:admin:images_per_s=500") == (expected,)


def test_entries_are_separated_by_any_space_and_keep_their_order() -> None:
    keys = parse_api_keys(f"  zoe:{A}\n\tbob:{B}:images_per_s=1  ")
    assert [(key.name, key.images_per_s) for key in keys] == [("zoe", 0), ("bob", 1)]


def test_an_empty_setting_has_no_keys() -> None:
    assert parse_api_keys("") == parse_api_keys(" \n") == ()


@pytest.mark.parametrize("name", ["", "Alice", "-a", "a" * 33, "a_b", "ä", "a/b"])
def test_a_name_that_cannot_be_used_is_refused_by_its_place(name: str) -> None:
    with pytest.raises(ValueError, match=r"^key 2 has no name: expected name:sha256"):
        parse_api_keys(f"ok:{A} {name}:{B}")


def test_the_longest_name_is_accepted() -> None:
    assert parse_api_keys(f"{'a' * 32}:{A}")[0].name == "a" * 32


@pytest.mark.parametrize("sha256", ["", "hunter2", "A" * 64, "a" * 63, "a" * 65, "g" * 64])
def test_an_invalid_hash_is_refused_and_not_shown(sha256: str) -> None:
    with pytest.raises(ValueError, match="key 'alice': expected the SHA-256") as refused:
        parse_api_keys(f"alice:{sha256}")
    assert not sha256 or sha256 not in str(refused.value)


@pytest.mark.parametrize(
    "option",
    [
        "root",
        "",
        "Admin",
        "images_per_s",
        "images_per_s=0",
        "images_per_s=-1",
        "images_per_s=1.5",
        "max_queued_images=x",
        "images_per_s=1000000000",
        "images_per_s=٣",
    ],
)
def test_an_unknown_option_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match=re.escape("key 'alice': expected the options admin, images_per_s=N or ")):
        parse_api_keys(f"alice:{A}:{option}")


def test_two_keys_share_neither_name_nor_hash() -> None:
    with pytest.raises(ValueError, match="two keys have the same name"):
        parse_api_keys(f"alice:{A} alice:{B}")
    with pytest.raises(ValueError, match="two keys have the same hash"):
        parse_api_keys(f"alice:{A} bob:{A}")
