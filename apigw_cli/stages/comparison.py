"""Two sides compared on both axes, with what only the stage files differ in apart, and a verdict."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apigw_cli.snapshot.model import Api, Snapshot
from apigw_cli.stages import protection
from apigw_cli.stages.contract import compare as contract
from apigw_cli.stages.contract.compare import Contract
from apigw_cli.stages.contract.rules import RULES
from apigw_cli.stages.contract.terms import Terms, of_stage
from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.finding import Axis, Finding, Level, Side, Spot, ordered
from apigw_cli.stages.stage_files import StageDifference


class Verdict(enum.StrEnum):
    """The worst thing found."""

    IDENTICAL = "identical"
    SAFE = "safe"
    CAREFUL = "careful"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class Subject:
    """One side as people name it. `digest` and `routes` are None where there is no release."""

    title: str
    digest: str | None = None
    routes: int | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    breaking: int = 0
    weakening: int = 0
    warnings: int = 0
    strengthening: int = 0
    safe: int = 0

    @property
    def all(self) -> int:
        return self.breaking + self.weakening + self.warnings + self.strengthening + self.safe


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes from `base` to `revision`. `findings` are worst first; `next` is the command to type."""

    base: Subject
    revision: Subject
    findings: tuple[Finding, ...]
    differences: tuple[StageDifference, ...] = ()
    notes: tuple[str, ...] = ()
    next: str = ""
    counts: Counts = field(default=Counts())

    @property
    def verdict(self) -> Verdict:
        if self.counts.breaking or self.counts.weakening:
            return Verdict.BLOCKING
        if self.counts.warnings:
            return Verdict.CAREFUL
        return Verdict.SAFE if self.findings else Verdict.IDENTICAL


def make(
    base: Subject,
    revision: Subject,
    findings: Iterable[Finding],
    differences: Iterable[StageDifference] = (),
    notes: Iterable[str] = (),
    next_command: str = "",
) -> Comparison:
    """A comparison, its findings worst first and each once."""
    unique = {finding.fingerprint: finding for finding in findings}
    found = ordered(unique.values())
    return Comparison(base, revision, found, tuple(differences), tuple(notes), next_command, _count(found))


def _count(findings: Iterable[Finding]) -> Counts:
    levels = [finding.level for finding in findings]
    safe = levels.count(Level.INFO) + levels.count(Level.NEUTRAL)
    return Counts(
        levels.count(Level.ERR),
        levels.count(Level.WEAKEN),
        levels.count(Level.WARN),
        levels.count(Level.STRENGTHEN),
        safe,
    )


def of_files(base: Contract, revision: Contract, terms: Terms) -> list[Finding]:
    """Two specification files: contract, and who may call as they say it."""
    return contract.compare(base, revision, terms=terms)


def of_deployments(base: Deployment | None, revision: Deployment, terms: Terms | None = None) -> list[Finding]:
    """Two releases, each as its stage runs it. Nothing as base: everything is new.

    The contract is judged by `terms`, else by those of the revision's stage.
    """
    terms = terms or of_stage(revision.workspace.stage_file(revision.stage))
    if base is None:
        return list(terms.apply(_all_new(revision)))
    matched = _match(base.compiled.snapshot, revision.compiled.snapshot)
    found = list(terms.apply(_apis(base, revision, *matched, terms)))
    documented = frozenset(
        f"{f.api or _only(revision)}:{f.operation}" for f in found if f.id.startswith("api-security-")
    )
    found += protection.compare(base, revision, documented, {after.name: before.name for before, after in matched[0]})
    return found


def _only(deployment: Deployment) -> str:
    apis = deployment.compiled.snapshot.apis
    return apis[0].name if apis else ""


def _all_new(revision: Deployment) -> Iterator[Finding]:
    bases = {api.name: api.base_path for api in revision.compiled.snapshot.apis}
    several = revision.compiled.snapshot.has_several_apis
    for route in revision.compiled.snapshot.routes:
        spot = revision.spot(Side.REVISION, route.id, "operation")
        name = f"{route.method} {route.path.removeprefix(bases[route.api])}"
        yield _row("endpoint-added", name, "", "added", None, name, (spot,), route.api if several else "")


def _row(
    rule: str, operation: str, path: str, message: str, old: object, new: object, spots: tuple[Spot, ...], api: str
) -> Finding:
    row = RULES[rule]
    return Finding(rule, Axis.CONTRACT, row.level, operation, path, message, old, new, spots, api, row.why)


# --- the APIs of two Snapshots


def _apis(
    base: Deployment,
    revision: Deployment,
    pairs: list[tuple[Api, Api]],
    removed: list[Api],
    added: list[Api],
    terms: Terms,
) -> Iterator[Finding]:
    old, new = base.compiled.snapshot, revision.compiled.snapshot
    several = old.has_several_apis or new.has_several_apis
    for before, after in pairs:
        api = after.name if several else ""
        yield from _hosts(before, after)
        if not _same_documents(before, after, old, new):
            yield from contract.compare(
                base.contract(before), revision.contract(after), api=api, behind_gateway=True, terms=terms
            )
    for gone in removed:
        message = f"API removed ({_routes(old, gone)})"
        yield _row("api-removed", "", f"apis.{gone.name}", message, gone.name, None, (), gone.name)
    for fresh in added:
        message = f"API added ({_routes(new, fresh)})"
        yield _row("api-added", "", f"apis.{fresh.name}", message, None, fresh.name, (), fresh.name)


def _match(old: Snapshot, new: Snapshot) -> tuple[list[tuple[Api, Api]], list[Api], list[Api]]:
    """APIs of the same name, else those that only changed it: same hosts and base path."""
    left = {api.name: api for api in old.apis}
    pairs, added = [], []
    for api in new.apis:
        before = left.pop(api.name, None)
        if before is None:
            twins = (a for a in left.values() if (a.hosts, a.base_path) == (api.hosts, api.base_path))
            before = next((a for a in twins if a.name not in {b.name for b in new.apis}), None)
            if before is not None:
                left.pop(before.name)
        if before is None:
            added.append(api)
        else:
            pairs.append((before, api))
    return pairs, list(left.values()), added


def _same_documents(before: Api, after: Api, old: Snapshot, new: Snapshot) -> bool:
    if before.spec != after.spec or old.documents.keys() != new.documents.keys():
        return False
    return all(bytes(old.documents[name]) == bytes(new.documents[name]) for name in old.documents)


def _hosts(before: Api, after: Api) -> Iterator[Finding]:
    name = after.name
    if before.base_path != after.base_path:
        message = f"base path {before.base_path or '/'} → {after.base_path or '/'}"
        paths = before.base_path, after.base_path
        yield _row("api-base-path-changed", "", f"apis.{name}.base_path", message, *paths, (), name)
    old, new = set(before.hosts) or {"*"}, set(after.hosts) or {"*"}
    path = f"apis.{name}.hosts"
    for host in sorted(old - new) if "*" not in new else ():
        shown = "any host" if host == "*" else f"host {host}"
        yield _row("api-host-removed", "", path, f"{shown} removed", host, None, (), name)
    for host in sorted(new - old) if "*" not in old else ():
        if host == "*":
            message = f"answers for any host, not only {', '.join(sorted(old))}"
            why = "callers reach it under names that were not meant for it"
            yield Finding(
                "hosts-weakened", Axis.PROTECTION, Level.WEAKEN, "", path, message, sorted(old), None, (), name, why
            )
        else:
            yield _row("api-host-added", "", path, f"host {host} added", None, host, (), name)


def _routes(snapshot: Snapshot, api: Api) -> str:
    number = sum(route.api == api.name for route in snapshot.routes)
    return f"{number} route{'' if number == 1 else 's'}"
