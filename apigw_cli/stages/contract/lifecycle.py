"""Deprecation, sunset dates with their grace periods, and stability levels.

`deprecated` is OpenAPI's; `x-sunset` (a date or time of RFC 3339) and `x-stability-level` (draft, alpha, beta, stable)
are the extensions that oasdiff reads. A sunset is a promise: it may be put off, not brought forward or taken back.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from apigw_cli.stages.contract.delta import Delta, delta
from apigw_cli.stages.contract.shape import Life, Shape

STABILITY = ("draft", "alpha", "beta", "stable")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What a team promises: days from a deprecation to its sunset, and from which stability on changes can break.

    `sunset_days` of 0 asks for no date; `beta_days` holds for what is declared beta. `stability` is the lowest level
    whose changes count as breaking.
    """

    today: datetime.date
    sunset_days: int = 0
    beta_days: int = 0
    stability: str = "beta"

    def promised(self, level: str | None) -> bool:
        """Whether changes to what has this stability level break a promise. No level counts as stable."""
        return rank(level) >= rank(self.stability)

    def days(self, level: str | None) -> int:
        """The grace period of what has this stability level."""
        return 0 if not self.promised(level) else self.beta_days if level == "beta" else self.sunset_days

    def deprecation(self, old: Life, new: Life, level: str | None = None) -> tuple[str, str] | None:
        """The facet and text for how a deprecation changed; None where it did not."""
        if old.deprecated and not new.deprecated:
            return "reactivated", "not deprecated any more"
        if not old.deprecated and new.deprecated:
            return self._announced(new, level)
        return self._moved(old, new, level) if new.deprecated else None

    def _announced(self, new: Life, level: str | None) -> tuple[str, str]:
        days = self.days(level)
        if new.sunset is None:
            if days:
                return "deprecated-sunset-missing", f"deprecated without a sunset date ({days} days are promised)"
            return "deprecated", "deprecated"
        date = day(new.sunset)
        if date is None:
            return "deprecated-sunset-invalid", f'deprecated with a sunset that is no date: "{new.sunset}"'
        if date < self.today + datetime.timedelta(days):
            return "sunset-date-too-small", f"deprecated, sunset {date} is before {self._earliest(days)}"
        return "deprecated-with-sunset", f"deprecated, sunset {date}"

    def _moved(self, old: Life, new: Life, level: str | None) -> tuple[str, str] | None:
        if old.sunset == new.sunset:
            return None
        if new.sunset is None:
            return "sunset-deleted", f"sunset {old.sunset} taken back, still deprecated"
        before, after = day(old.sunset or ""), day(new.sunset)
        if after is None:
            return "deprecated-sunset-invalid", f'sunset is no date: "{new.sunset}"'
        if before is None:
            return "sunset-set", f"sunset {after}"
        if after < before:
            return "sunset-date-changed-too-small", f"sunset brought forward: {before} → {after}"
        return ("sunset-postponed", f"sunset put off: {before} → {after}") if after > before else None

    def _earliest(self, days: int) -> str:
        return f"{self.today + datetime.timedelta(days)} ({days} days from now)"

    def stage(self, old: Life, new: Life) -> tuple[str, str] | None:
        """The facet and text for how a stability level changed."""
        if new.stability is not None and new.stability not in STABILITY and new.stability != old.stability:
            return "invalid-stability-level", f'stability level "{new.stability}" is none of {", ".join(STABILITY)}'
        before, after = rank(old.stability), rank(new.stability)
        if before == after:
            return None
        word = "increased" if after > before else "decreased"
        return f"stability-{word}", f"stability {STABILITY[before]} → {STABILITY[after]}"

    def of_schema(self, old: Shape, new: Shape) -> Iterator[Delta]:
        """The differences of two schemas in this respect."""
        level = old.life.stability
        for found, keyword in (
            (self.deprecation(old.life, new.life, level), "deprecated"),
            (self.stage(old.life, new.life), "x-stability-level"),
        ):
            if found is not None:
                yield delta(*found, old, new, keyword)

    def removal(self, life: Life) -> tuple[str, str]:
        """How something was removed, as the end of a rule's id, and in words."""
        if not life.deprecated:
            return "without-deprecation", "removed"
        if life.sunset is None:
            return "with-deprecation", "removed (it was deprecated)"
        date = day(life.sunset)
        if date is None:
            return "sunset-parse", f'removed; its sunset "{life.sunset}" is no date'
        if self.today < date:
            return "before-sunset", f"removed before its sunset {date}"
        return "with-deprecation", f"removed after its sunset {date}"


def rank(level: str | None) -> int:
    """The place of a stability level; what is none counts as stable."""
    return STABILITY.index(level) if level in STABILITY else len(STABILITY) - 1


def day(text: str) -> datetime.date | None:
    """The day of an RFC 3339 date or time; None for anything else."""
    try:
        return datetime.date.fromisoformat(text) if len(text) == 10 else datetime.datetime.fromisoformat(text).date()
    except ValueError:
        return None
