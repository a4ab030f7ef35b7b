import re

import msgspec
import pytest

from shared.contract.alias import ALIAS_CODEC, CHANGE_CODEC, NAME, Alias, AliasChange, readable_alias
from shared.errors import ModelError


@pytest.mark.parametrize("name", ["champion", "a", "candidate-2", "x" * 64])
def test_a_name_of_an_alias_begins_with_a_letter_so_that_it_is_no_version(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "3", "3a", "-a", "A", "a_b", "a/b", "a@b", "a\n", "x" * 65, "ä"])
def test_other_names_are_none(name: str) -> None:
    assert not NAME.fullmatch(name)


@pytest.mark.parametrize("alias", [Alias(1), Alias(3, canary=4, canary_percent=5.0, shadow=2)])
def test_an_alias_is_read_as_it_was_written(alias: Alias) -> None:
    assert ALIAS_CODEC.decode(ALIAS_CODEC.encode(alias)) == alias


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"3", b'{"version": 0}', b'{"version": "1"}'])
def test_anything_else_is_no_alias(data: bytes) -> None:
    with pytest.raises(ModelError, match="not an alias"):
        ALIAS_CODEC.decode(data)


def test_the_fields_that_a_newer_release_adds_to_an_alias_are_ignored() -> None:
    assert ALIAS_CODEC.decode(b'{"version": 3, "color": "red"}') == Alias(3)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"version": 0}, "`int` >= 1 - at `$.version`"),
        ({"version": True}, "got `bool` - at `$.version`"),
        ({"version": 1.0}, "got `float` - at `$.version`"),
        ({"version": None}, "got `null` - at `$.version`"),
        ({"version": 1, "canary": "2"}, "got `str` - at `$.canary`"),
        ({"version": 1, "shadow": -1}, "`int` >= 1 - at `$.shadow`"),
        ({"version": 1, "canary": 2, "canary_percent": 100.1}, "`float` <= 100.0 - at `$.canary_percent`"),
        ({"version": 1, "canary": 2, "canary_percent": -1}, "`float` >= 0.0 - at `$.canary_percent`"),
        ({"version": 1, "canary": 2, "canary_percent": True}, "got `bool` - at `$.canary_percent`"),
        ({"version": 1, "canary": 2, "canary_percent": float("nan")}, "got `null` - at `$.canary_percent`"),
        ({"version": 1, "canary_percent": 5}, "no canary is named"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(ModelError, match="not an alias: .*" + re.escape(reason)):
        ALIAS_CODEC.decode(msgspec.json.encode(fields))


def test_a_change_says_what_the_alias_meant_before() -> None:
    change = AliasChange(at_ms=5, by=None, model="cnn", alias="champion", before=None, after=Alias(2))
    data = CHANGE_CODEC.encode(change)
    assert data == (
        b'{"at_ms":5,"by":null,"model":"cnn","alias":"champion","from":null,'
        b'"to":{"version":2,"canary":null,"canary_percent":0.0,"shadow":null},"reason":"","forced":false}'
    )
    assert CHANGE_CODEC.decode(data) == change


def test_an_alias_that_cannot_be_read_is_none() -> None:
    assert readable_alias(b"garbage") is None
    assert readable_alias(ALIAS_CODEC.encode(Alias(3))) == Alias(3)


def test_everything_that_it_names_is_to_be_loaded() -> None:
    assert Alias(1).versions == {1}
    assert Alias(1, canary=2, canary_percent=0, shadow=3).versions == {1, 2, 3}


@pytest.mark.parametrize(
    ("percent", "draw", "version"),
    [(0, 0.0, 1), (5, 0.0, 2), (5, 0.0499, 2), (5, 0.05, 1), (5, 0.999, 1), (100, 0.999, 2)],
)
def test_a_canary_gets_the_draws_below_its_share(percent: float, draw: float, version: int) -> None:
    assert Alias(1, canary=2, canary_percent=percent).choose(draw) == version
