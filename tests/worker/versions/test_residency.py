"""The rules choose which version is loaded next, and which are unloaded first."""

from pathlib import Path

import pytest

from shared.contract.alias import Alias
from shared.errors import ModelError
from worker.versions.desired import DesiredVersions
from worker.versions.residency import Residency, default_version, latest_versions

CHAMPION = DesiredVersions({"cnn/champion": Alias(1, canary=2, canary_percent=5.0, shadow=3)})


REGISTRY = Path("/srv/models")
MODELS = {"cnn": [1, 2, 10], "small": [3]}


def test_the_default_is_the_champion_or_else_the_latest() -> None:
    assert default_version("cnn", MODELS, REGISTRY, DesiredVersions()) == "cnn@10"
    assert default_version("cnn", MODELS, REGISTRY, CHAMPION) == "cnn@1"
    assert default_version("cnn@2", MODELS, REGISTRY, CHAMPION) == "cnn@2", (
        "a setting that names a version means that one"
    )
    assert default_version("cnn@latest", MODELS, REGISTRY, CHAMPION) == "cnn@10"
    assert default_version("cnn@champion", MODELS, REGISTRY, CHAMPION) == "cnn@1"
    assert default_version("new", MODELS, REGISTRY, DesiredVersions({"new/champion": Alias(7)})) == "new@7", (
        "an alias is believed"
    )


@pytest.mark.parametrize("ref", ["big", "cnn@3", "cnn@x", "cnn@01", "@1", ""])
def test_a_version_that_is_not_in_the_registry_is_named_with_the_existing_ones(ref: str) -> None:
    with pytest.raises(ModelError, match=r"available: (cnn, small|1, 2, 10)"):
        default_version(ref, MODELS, REGISTRY, CHAMPION)


def test_the_latest_versions_are_the_last_of_each_name() -> None:
    assert latest_versions(MODELS) == {"cnn@10", "small@3"}


def test_what_entries_wait_for_is_loaded_first_then_what_is_wanted_then_what_aliases_name() -> None:
    desired = DesiredVersions(CHAMPION.aliases, frozenset({"cnn@7"}))
    residency = Residency("cnn@1", desired, waiting=["big@2"], asked=["big@3"])
    order = []
    there: list[str] = []
    while (ref := residency.next_to_load(there, there, most=100)) is not None:
        order.append(ref)
        there.append(ref)
    assert order == ["big@2", "cnn@1", "cnn@7", "big@3", "cnn@2", "cnn@3"]


def test_what_aliases_name_is_loaded_ahead_only_while_there_is_room() -> None:
    residency = Residency("cnn@1", CHAMPION)
    assert residency.next_to_load(["cnn@1"], ["cnn@1"], most=2) == "cnn@2"
    assert residency.next_to_load(["cnn@1", "cnn@2"], ["cnn@1", "cnn@2"], most=2) is None


def test_what_failed_lately_is_not_tried_again() -> None:
    residency = Residency("cnn@1", waiting=["big@1"])
    assert residency.next_to_load(["cnn@1", "big@1"], ["cnn@1"], most=8) is None


def test_the_least_recently_used_goes_first_and_what_is_named_or_latest_last() -> None:
    residency = Residency("cnn@9", CHAMPION, latest=frozenset({"big@2"}))
    used = ["cnn@1", "big@2", "small@1", "cnn@9", "big@1"]
    assert residency.may_go_for("new@1", used) == ["small@1", "big@1", "cnn@1", "big@2"]


def test_a_desired_version_is_unloaded_only_for_a_version_that_entries_wait_for_and_the_default_never() -> None:
    desired = DesiredVersions(requested=frozenset({"cnn@2", "cnn@3"}))
    used = ["cnn@1", "cnn@2"]
    assert Residency("cnn@1", desired).may_go_for("cnn@3", used) == []
    assert Residency("cnn@1", desired, waiting=["big@1"]).may_go_for("big@1", used) == ["cnn@2"]


def test_a_desired_version_without_room_is_reported() -> None:
    residency = Residency("cnn@1", DesiredVersions(requested=frozenset({"cnn@2", "cnn@3"})))
    assert residency.crowded_out(["cnn@1", "cnn@2"], most=2) == ["cnn@3"]
    assert residency.next_to_load(["cnn@1", "cnn@2"], ["cnn@1", "cnn@2"], most=2) is None
    assert residency.crowded_out(["cnn@1", "cnn@2"], most=3) == []
    assert residency.crowded_out(["cnn@1", "big@1"], most=2) == [], "big@1 may go"


@pytest.mark.parametrize(
    ("ref", "why", "idles_out"),
    [
        ("cnn@9", "default", False),
        ("cnn@7", "wanted", False),
        ("cnn@1", "alias", False),
        ("cnn@2", "alias", False),
        ("cnn@3", "alias", False),
        ("big@1", "entries", False),
        ("big@2", "", False),
        ("small@1", "", True),
    ],
)
def test_what_is_in_use_does_not_idle_out(ref: str, why: str, idles_out: bool) -> None:
    desired = DesiredVersions(CHAMPION.aliases, frozenset({"cnn@7"}))
    residency = Residency("cnn@9", desired, latest=frozenset({"big@2"}), waiting=["big@1"])
    assert why in residency.why_kept(ref)
    assert bool(why) == bool(residency.why_kept(ref))
    assert residency.may_idle_out(ref) == idles_out
