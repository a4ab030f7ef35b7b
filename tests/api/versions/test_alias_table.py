"""The meaning of `?model=`: the choice of the version, and the table of aliases."""

import asyncio
import math
import random
from collections.abc import Mapping

import pytest

from api.versions.alias_table import Aliases, choose_version, decode_table, needs_aliases
from shared.config.settings import Settings
from shared.contract.alias import ALIAS_CODEC, Alias
from shared.contract.model_ref import ModelRef
from shared.errors import NotFound, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient, SyncClient
from shared.redis.connection import api_client

MODELS = {"cnn": [1, 2, 10], "small": [1]}
ALIASES = {"champion": Alias(1), "candidate": Alias(2, canary=10, canary_percent=25)}


@pytest.mark.parametrize(
    ("ref", "aliases", "version"),
    [
        ("cnn", {}, 10),
        ("cnn@", {}, 10),
        ("cnn", ALIASES, 1),
        ("cnn@", ALIASES, 1),
        ("cnn@champion", ALIASES, 1),
        ("cnn@latest", ALIASES, 10),
        ("cnn@2", ALIASES, 2),
        ("cnn@candidate", ALIASES, 2),
        ("cnn@next", {"next": Alias(11)}, 11),
        ("gone", {"champion": Alias(3)}, 3),
    ],
)
def test_a_name_means_its_champion_or_its_latest_version(ref: str, aliases: Mapping[str, Alias], version: int) -> None:
    """The version of an alias is used even if the last reading of the registry lacks it."""
    assert choose_version(ModelRef.parse(ref), MODELS, aliases) == version


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("resnet", "no model 'resnet'; available: cnn, small"),
        ("", "no model ''"),
        ("cnn@3", "no version '3' of model 'cnn'; available: 1, 2, 10, latest, champion, candidate"),
        ("cnn@staging", "no version 'staging' of model 'cnn'; available: 1, 2, 10, latest, champion, candidate"),
        ("cnn@01", "no version '01'"),
        ("cnn@1@2", "no version '1@2'"),
        ("cnn@../2", "no version"),
    ],
)
def test_a_missing_version_is_an_error_with_the_existing_versions(ref: str, reason: str) -> None:
    with pytest.raises(NotFound) as refused:
        choose_version(ModelRef.parse(ref), MODELS, ALIASES if ref.startswith("cnn") else {})
    assert reason in refused.value.detail


def test_without_models_every_name_is_an_error() -> None:
    with pytest.raises(NotFound, match="no model 'cnn'; available: none"):
        choose_version(ModelRef("cnn"), {}, {})


def test_a_canary_gets_its_share_of_requests() -> None:
    """20,000 draws: 5 % of them ± 6 standard deviations, which fails by chance once in 500 million times."""
    draws, share = 20_000, 0.05
    chance = random.Random()
    aliases = {"champion": Alias(1, canary=2, canary_percent=100 * share)}
    chosen = [choose_version(ModelRef("cnn"), MODELS, aliases, chance.random()) for _ in range(draws)]
    assert set(chosen) == {1, 2}
    assert abs(chosen.count(2) - draws * share) < 6 * math.sqrt(draws * share * (1 - share))


def test_without_a_draw_a_canary_gets_nothing() -> None:
    assert choose_version(ModelRef("cnn"), MODELS, {"champion": Alias(1, canary=2, canary_percent=100)}) == 1


@pytest.mark.parametrize(
    ("ref", "needed"), [("cnn", True), ("cnn@champion", True), ("cnn@2", False), ("cnn@latest", False)]
)
def test_only_some_references_depend_on_aliases(ref: str, needed: bool) -> None:
    assert needs_aliases(ModelRef.parse(ref)) is needed


def test_a_table_skips_and_logs_invalid_aliases(caplog: pytest.LogCaptureFixture) -> None:
    fields = {
        b"cnn/champion": ALIAS_CODEC.encode(Alias(1)),
        b"cnn/broken": b"{",
        b"small/a": ALIAS_CODEC.encode(Alias(2)),
    }
    assert decode_table(fields) == {"cnn": {"champion": Alias(1)}, "small": {"a": Alias(2)}}
    assert "cnn/broken" in caplog.text


def test_a_table_that_was_not_read_yet_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="not been read"):
        Aliases(AsyncClient(), asyncio.Event()).of("cnn")


async def test_a_table_is_read_from_redis_and_kept_while_redis_is_away(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = api_client(Settings(redis_url=scratch_url))
    aliases = Aliases(here, asyncio.Event())
    await aliases.try_to_read()
    assert aliases.of("cnn") == {}
    client.hset(keys.ALIASES, "cnn/champion", ALIAS_CODEC.encode(Alias(1)))
    await aliases.read()
    assert aliases.of("cnn") == {"champion": Alias(1)}
    await here.aclose()

    nowhere = api_client(Settings(redis_url="redis://127.0.0.1:1/0"))
    monkeypatch.setattr(aliases, "_client", nowhere)
    await aliases.try_to_read()
    assert aliases.of("cnn") == {"champion": Alias(1)}
    await nowhere.aclose()
    assert "aliases cannot be read" in caplog.text
