"""Rules for the versions in this worker's memory: which ones to load, and which ones to unload first."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.contract.alias import LATEST
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.models.registry import Registry
from worker.versions.desired import DesiredVersions

Models = Mapping[str, Sequence[int]]  # the versions of each name, oldest first, as the registry lists them


def find_version(ref: str, models: Models, registry: Registry) -> str:
    """Return the `name@version` of `name` (its latest) or `name@version`. Raises ModelError, naming the registry."""
    wanted = ModelRef.parse(ref)
    numbers = models.get(wanted.name, ())
    if not numbers:
        raise ModelError(f"no model {wanted.name!r} in {registry}; available: {', '.join(models) or 'none'}")
    if wanted.label not in ("", *numbers):
        there = ", ".join(map(str, numbers))
        raise ModelError(f"no version {str(wanted.label)!r} of model {wanted.name!r}; available: {there}")
    return str(ModelRef(wanted.name, wanted.label or numbers[-1]))


def default_version(default_model: str, models: Models, registry: Registry, desired: DesiredVersions) -> str:
    """Return the version for requests that name no model, as `name@version`.

    `default_model` is `name`, `name@version` or `name@alias`. A name alone means its champion, or its latest version if
    it has none. The version of an alias is not checked. Raises ModelError for a version that neither an alias nor the
    registry has.
    """
    return desired.meaning(default_model) or find_version(default_model.removesuffix(f"@{LATEST}"), models, registry)


def latest_versions(models: Models) -> frozenset[str]:
    return frozenset(str(ModelRef(name, numbers[-1])) for name, numbers in models.items() if numbers)


@dataclass(frozen=True, slots=True)
class Residency:
    """The reasons to keep versions, each as `name@version`. Entries wait for the `waiting` ones, in this order."""

    default: str
    desired: DesiredVersions = field(default_factory=DesiredVersions)
    latest: frozenset[str] = frozenset()
    waiting: Sequence[str] = ()
    asked: Sequence[str] = ()

    def why_kept(self, ref: str) -> str:
        """Return why a version would be loaded again after it is unloaded. Empty if it would not."""
        if ref == self.default:
            return "is the default"
        if ref in self.desired.requested:
            return "is wanted"
        if ref in self.desired.named:
            return "is named by an alias"
        if ref in self.waiting:
            return "has entries that wait for it"
        return ""

    def next_to_load(self, there: Collection[str], least_recently_used: Sequence[str], most: int) -> str | None:
        """Return the next version to load, or None. Versions that aliases name are loaded early if there is room."""
        has_room = len(least_recently_used) < most
        for ref in [*self.waiting, self.default, *sorted(self.desired.requested), *self.asked]:
            if ref not in there and (has_room or self.may_go_for(ref, least_recently_used)):
                return ref
        ahead = sorted(self.desired.named) if has_room else []
        return next((ref for ref in ahead if ref not in there), None)

    def crowded_out(self, least_recently_used: Sequence[str], most: int) -> list[str]:
        """Return the requested versions without room, because the loaded versions have priority."""
        if len(least_recently_used) < most:
            return []
        needed = sorted(self.desired.requested | set(self.asked))
        return [
            ref for ref in needed if ref not in least_recently_used and not self.may_go_for(ref, least_recently_used)
        ]

    def may_idle_out(self, ref: str) -> bool:
        """Return whether a version is unloaded after a long time without use."""
        return not self.why_kept(ref) and ref not in self.latest

    def may_go_for(self, ref: str, least_recently_used: Iterable[str]) -> list[str]:
        """Return the versions that may be unloaded to make room for `ref`, in this order.

        Versions that aliases name and latest versions come last. Requested versions are unloaded only for a version
        that entries wait for, and the default never.
        """
        kept = self.desired.named | self.latest
        others = [other for other in least_recently_used if other not in (self.default, ref)]
        unwanted = [other for other in others if other not in self.desired.requested]
        going = [other for other in unwanted if other not in kept] + [other for other in unwanted if other in kept]
        if ref == self.default or ref in self.waiting:
            going += [other for other in others if other in self.desired.requested]
        return going
