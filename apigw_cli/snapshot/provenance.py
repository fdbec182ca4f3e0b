"""Where every value of a Snapshot came from. Beside the Snapshot, outside its digest, never sent to a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from apigw_cli.errors import Place

SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Origin:
    """One source of a value: what kind it is ("route", "API default", …) and where it stands, found when asked."""

    note: str
    find: Callable[[], Place]
    text: str = ""  # the value there, for people: "50/s burst 20 per api_key"

    @property
    def place(self) -> Place:
        return self.find()


@dataclass(slots=True)
class Provenance:
    """Origins by route id and item, the winner first, then what it went over.

    Items: "operation", "integration", "security", "policies.NAME"; for an upstream the id is "upstream:NAME".
    For a security scheme it is "auth:NAME", with the item "scheme". What else apigw.yaml says, the stage's overrides
    included, belongs to SETTINGS, by its dotted path.
    """

    origins: dict[tuple[str, str], list[Origin]] = field(default_factory=dict)

    def add(self, owner: str, item: str, origin: Origin) -> None:
        self.origins.setdefault((owner, item), []).append(origin)

    def of(self, owner: str, item: str) -> list[Origin]:
        """Every origin of an item, the winner first; empty where nothing is known (a release without sources)."""
        return self.origins.get((owner, item), [])

    def place(self, owner: str, item: str) -> Place | None:
        """Where the winning value stands."""
        found = self.of(owner, item)
        return found[0].place if found else None
