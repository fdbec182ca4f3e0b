"""What a change of `cache` does to protection, in sentences: whose answers meet, and who may have them fetched anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apigw_cli.policies.interface import Change, Reason

if TYPE_CHECKING:
    from apigw_cli.policies.cache import Cache

_WHOLE_QUERY = "the query"


def reasons(old: Cache | None, new: Cache | None) -> Iterator[Reason]:
    yield from _of_time(old, new)
    if old is not None and new is not None and old.per_caller != new.per_caller:
        if new.per_caller:
            yield Reason(Change.STRENGTHEN, "each caller has stored answers of their own")
        else:
            yield Reason(Change.WEAKEN, "callers get stored answers that were made for others")
    yield from _of_keys(old, new)
    yield from _of_invalidation(_invalidators(old), _invalidators(new))


def _of_time(old: Cache | None, new: Cache | None) -> Iterator[Reason]:
    was, now = (one is not None and one.mode == "ttl" for one in (old, new))
    if now and not was and new is not None:
        whose = "" if new.per_caller else ", one for all callers"
        kept = f"answers are kept for {new.ttl or '5m'}{whose}, whatever they say of freshness"
        yield Reason(Change.WEAKEN, kept)
    elif was and not now:
        yield Reason(Change.STRENGTHEN, "answers are kept no longer than they say themselves, if at all")


def _of_keys(old: Cache | None, new: Cache | None) -> Iterator[Reason]:
    """What tells answers apart. With mode: http the answers say it themselves (`Vary`), beside the query."""
    if old is None or new is None:
        return
    before, after = _told_apart(old), _told_apart(new)
    if new.mode == "ttl" and (lost := _missing(before, after)):
        yield Reason(Change.WEAKEN, f"requests that differ in {', '.join(lost)} get the same answer")
    if old.mode == "ttl" and (found := _missing(after, before)):
        yield Reason(Change.STRENGTHEN, f"requests that differ in {', '.join(found)} get answers of their own")


def _told_apart(value: Cache) -> frozenset[str]:
    if value.key_parameters is None:
        return frozenset((_WHOLE_QUERY,))
    return frozenset(value.key_parameters)


def _missing(wanted: frozenset[str], there: frozenset[str]) -> list[str]:
    """What one tells apart and the other does not."""
    whole = _WHOLE_QUERY in there
    return sorted(one for one in wanted - there if not (whole and one.startswith("query:")))


def _of_invalidation(before: frozenset[str] | None, after: frozenset[str] | None) -> Iterator[Reason]:
    anew = "may have answers fetched anew, as often as they like"
    if before == after:
        return
    if before is not None and (after is None or not after <= before):
        who = "anyone" if after is None else ", ".join(sorted(after - before))
        yield Reason(Change.WEAKEN, f"{who} {anew}")
    if after is not None and (before is None or not before <= after):
        who = "not everybody" if before is None else f"{', '.join(sorted(before - after))} no more"
        yield Reason(Change.STRENGTHEN, f"{who} {anew}")


def _invalidators(value: Cache | None) -> frozenset[str] | None:
    """Who may have an answer fetched anew; None: anyone."""
    allow = value.invalidation.allow if value is not None and value.invalidation is not None else "nobody"
    if isinstance(allow, str):
        return None if allow == "anyone" else frozenset()
    return frozenset(allow)
