"""The policy `cache`: what may be written, what it says of itself, what a change of it does to protection."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies import cache
from apigw_cli.policies.interface import Change, instance


def made(**value: Any) -> cache.Cache:
    found: cache.Cache = instance(cache.POLICY, value)
    return found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"ttl": "5m"}, "ttl needs mode: ttl"),
        ({"key_parameters": ["query:a"]}, "key_parameters needs mode: ttl"),
        ({"mode": "ttl", "ttl": "2h"}, "between 0s and 1h"),
        ({"mode": "ttl", "heuristic": False}, "heuristic needs mode: http"),
        ({"mode": "ttl", "stale_while_revalidate": "5s"}, "stale_while_revalidate needs mode: http"),
        ({"mode": "ttl", "key_parameters": ["path:id"]}, "regex"),
        ({"collapse": "2m"}, "at most 30s"),
        ({"stale_if_error": "soon"}, "regex"),
        ({"storage": "disk"}, "unknown field"),
    ],
)
def test_what_makes_no_sense_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        made(**value)


def _allowing(*callers: str) -> dict[str, Any]:
    return {"mode": "ttl", "invalidation": {"allow": list(callers)}}


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, {}, Change.NEUTRAL),
        ({}, None, Change.NEUTRAL),
        (None, {"mode": "ttl"}, Change.WEAKEN),
        ({"mode": "ttl"}, {}, Change.STRENGTHEN),
        ({"per_caller": True}, {}, Change.WEAKEN),
        ({"mode": "ttl"}, {"mode": "ttl", "key_parameters": ["query:a"]}, Change.WEAKEN),
        ({"mode": "ttl", "key_parameters": ["query:a"]}, {"mode": "ttl", "key_parameters": []}, Change.WEAKEN),
        ({"mode": "ttl"}, {"mode": "ttl", "invalidation": {"allow": "anyone"}}, Change.WEAKEN),
        (_allowing("a", "b"), _allowing("a"), Change.STRENGTHEN),
        ({}, {"stale_if_error": "1h"}, Change.NEUTRAL),
        ({"mode": "ttl", "key_parameters": ["header:A"]}, {"mode": "ttl"}, Change.WEAKEN),
        ({"mode": "ttl", "key_parameters": ["query:a"]}, {"mode": "ttl"}, Change.STRENGTHEN),
    ],
)  # fmt: skip
def test_what_a_change_means(old: dict[str, Any] | None, new: dict[str, Any] | None, change: Change) -> None:
    was, now = (None if one is None else made(**one) for one in (old, new))
    assert cache.POLICY.compare(was, now) is change


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (None, {"mode": "ttl"}, ["answers are kept for 5m, one for all callers, whatever they say of freshness"]),
        ({"per_caller": True}, {}, ["callers get stored answers that were made for others"]),
        (
            {"mode": "ttl"},
            {"mode": "ttl", "key_parameters": ["query:a"]},
            ["requests that differ in the query get the same answer"],
        ),
        (
            {"mode": "ttl", "key_parameters": ["header:A", "query:b"]},
            {"mode": "ttl", "key_parameters": ["query:b", "cookie:c"]},
            ["requests that differ in header:A get the same answer", "requests that differ in cookie:c get answers of"],
        ),
        (_allowing("a"), _allowing("a", "b"), ["b may have answers fetched anew, as often as they like"]),
        (_allowing("a"), {"mode": "ttl", "invalidation": {"allow": "anyone"}}, ["anyone may have answers fetched"]),
    ],
)
def test_a_reviewer_reads_what_a_change_does(
    old: dict[str, Any] | None, new: dict[str, Any] | None, said: list[str]
) -> None:
    was, now = (None if one is None else made(**one) for one in (old, new))
    found = [reason.text for reason in cache.POLICY.reasons(was, now)]
    assert len(found) == len(said)
    assert all(text.startswith(start) for text, start in zip(found, said, strict=True)), found


def test_what_it_says_of_itself() -> None:
    assert cache.POLICY.describe(made()) == "kept as answers say"
    ttl = made(mode="ttl", ttl="90s", key_parameters=["query:a"], invalidation={"allow": ["alice"]}, per_caller=True)
    assert cache.POLICY.describe(ttl) == "kept 90s by path+query:a, per caller, invalidated by alice"
