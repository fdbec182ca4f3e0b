"""Where the requests of an upstream go, before and after."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from apigw_cli.policies.interface import Change

Place = tuple[str | None, int | None]


def judge_targets(old: Iterable[str], new: Iterable[str]) -> Change:
    """Another server, or one without TLS now, weakens; fewer of either strengthens; the order is nothing."""
    return judgement(old, new)[1]


def judgement(old: Iterable[str], new: Iterable[str]) -> tuple[str, Change, str]:
    """The id of the finding, what the change does, and why that matters."""
    before, after = {_place(target) for target in old}, {_place(target) for target in new}
    open_before, open_after = _open(old), _open(new)
    if (open_after - open_before) & before or (open_after and not open_before):
        return "upstream-tls-removed", Change.WEAKEN, "what goes to the upstream can be read and changed on its way"
    if after - before:
        return (
            "upstream-host-changed",
            Change.WEAKEN,
            "requests go somewhere else: a person has to say that this is meant",
        )
    if open_before - open_after and before == after:
        return "upstream-tls-added", Change.STRENGTHEN, "what goes to the upstream is encrypted"
    if before - after:
        return "upstream-targets-removed", Change.STRENGTHEN, "requests go to fewer servers"
    return "upstream-changed", Change.NEUTRAL, "the same servers"


def _open(targets: Iterable[str]) -> set[Place]:
    """Those that are spoken to without TLS."""
    return {_place(target) for target in targets if target.startswith("http:")}


def _place(target: str) -> Place:
    """Host and port, whatever the scheme."""
    parts = urlsplit(target)
    return parts.hostname, parts.port
