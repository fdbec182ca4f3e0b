"""`usage_plans`: callers belong to plans, plans have limits. Each caller's count goes over all routes with the policy.

A credential may name its plan (`plan` in a key list: `Exchange.usage_plan`), or a plan lists its callers by name; what
the credential says comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from apigw_cli.config.values import DURATION
from apigw_cli.limits import rate as rates
from apigw_cli.limits.bucket import BURST_MAXIMUM
from apigw_cli.limits.quota import LIMIT_MAXIMUM
from apigw_cli.policies import quota as quotas
from apigw_cli.policies import rate_limit as rate_limits
from apigw_cli.policies.interface import Change, Exchange, Outcome, Reason, Refusal, Runtime, Step
from apigw_cli.policies.judging import judged
from apigw_cli.policies.limit_layer import NAME, RateLimit
from apigw_cli.policies.quota import Quota
from apigw_cli.snapshot.model import Route

_NO_PLAN = Refusal(403, "no usage plan has this caller", (), "forbidden")


class PlanRate(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How fast each caller of a plan may be."""

    rate: Annotated[str, Meta(pattern=rates.PATTERN, description="As in rate_limit: 50/s, 1000/h.")]
    burst: Annotated[
        Annotated[int, Meta(ge=0, le=BURST_MAXIMUM)] | None,
        Meta(description="Requests admitted at once. Default: as many as the rate gives in a second, at least 1."),
    ] = None

    def __post_init__(self) -> None:
        self.layer("")

    def layer(self, plan: str) -> RateLimit:
        return RateLimit(self.rate, self.burst, "api_key", plan, scope="gateway")


class PlanQuota(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much each caller of a plan may have."""

    limit: Annotated[int, Meta(ge=0, le=LIMIT_MAXIMUM, description="Requests in a period.")]
    per: Annotated[Literal["day", "week", "month"], Meta(description="The period; a week begins on Monday.")]
    timezone: Annotated[str, Meta(description="Where midnight is: UTC, or a name such as Europe/Berlin.")] = "UTC"
    offset: Annotated[
        str, Meta(pattern=DURATION, description="How long after midnight, Monday or the first a period begins.")
    ] = "0s"

    def __post_init__(self) -> None:
        self.quota("")

    def quota(self, plan: str) -> Quota:
        return Quota(self.limit, self.per, timezone=self.timezone, offset=self.offset, scope="gateway", name=plan)


class Plan(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A plan: who belongs to it, and what each of them may."""

    keys: Annotated[list[str], Meta(description="Names of callers, as authentication tells them.")] = []
    rate_limit: Annotated[PlanRate | None, Meta(description="None: as fast as the routes allow.")] = None
    quota: Annotated[PlanQuota | None, Meta(description="None: as much as the routes allow.")] = None


class UsagePlans(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits by the plan that a caller belongs to."""

    plans: Annotated[dict[Annotated[str, Meta(pattern=NAME)], Plan], Meta(description="The plans by name.")]
    otherwise: Annotated[
        str, Meta(description="A caller of no plan: `reject` (403), `skip` (not limited here), or the name of a plan.")
    ] = "reject"

    def __post_init__(self) -> None:
        if self.otherwise not in ("reject", "skip", *self.plans):
            raise ValueError(f"otherwise is reject, skip or one of the plans, not {self.otherwise!r}")
        seen: dict[str, str] = {}
        for name, plan in self.plans.items():
            for key in plan.keys:
                if seen.setdefault(key, name) != name:
                    raise ValueError(f"{key!r} belongs to two plans: {seen[key]} and {name}")


class _Policy:
    name = "usage_plans"
    order = 41
    model: type[Struct] = UsagePlans
    derived = False

    def compile(self, value: UsagePlans, route: Route, runtime: Runtime) -> Step:
        found = {name: tuple(_steps(name, plan, route, runtime)) for name, plan in value.plans.items()}
        return _step(value, found)

    def compare(self, old: UsagePlans | None, new: UsagePlans | None) -> Change:
        """What a plan gives, and who belongs to it: less strengthens, anything else that changed weakens."""
        return judged(self.reasons(old, new))

    def reasons(self, old: UsagePlans | None, new: UsagePlans | None) -> Iterator[Reason]:
        if old is None or new is None:
            if old is not new:
                change = Change.STRENGTHEN if old is None else Change.WEAKEN
                yield Reason(change, "callers are held to their plans" if old is None else "no plan holds callers")
            return
        if _members(old) != _members(new):
            yield Reason(Change.WEAKEN, "who belongs to which plan, or which plans there are, is not what it was")
        if old.otherwise != new.otherwise:
            change = Change.STRENGTHEN if new.otherwise == "reject" else Change.WEAKEN
            yield Reason(change, f"callers of no plan: {new.otherwise} in place of {old.otherwise}")
        for name in old.plans.keys() & new.plans.keys():
            was, now = _describe(name, old.plans[name]), _describe(name, new.plans[name])
            yield Reason(_compare(old.plans[name], new.plans[name]), f"plan {was}, now {now}")

    def describe(self, value: UsagePlans) -> str:
        return "; ".join([*(_describe(name, plan) for name, plan in value.plans.items()), f"else {value.otherwise}"])


def _members(value: UsagePlans) -> dict[str, list[str]]:
    return {name: sorted(plan.keys) for name, plan in value.plans.items()}


def _compare(old: Plan, new: Plan) -> Change:
    rates_change = rate_limits.POLICY.compare(*(p.rate_limit.layer("") if p.rate_limit else None for p in (old, new)))
    quota_change = quotas.POLICY.compare(*(p.quota.quota("") if p.quota else None for p in (old, new)))
    changes = {rates_change, quota_change}
    return next((change for change in (Change.WEAKEN, Change.STRENGTHEN) if change in changes), Change.NEUTRAL)


def _describe(name: str, plan: Plan) -> str:
    words = []
    if plan.rate_limit is not None:
        layer = plan.rate_limit.layer("")
        words.append(f"{rates.parse(layer.rate)} burst {layer.size}")
    if plan.quota is not None:
        words.append(f"{plan.quota.limit:,} per {plan.quota.per}")
    return f"{name} {', '.join(words) or 'unlimited'}"


def _steps(name: str, plan: Plan, route: Route, runtime: Runtime) -> Iterator[Step]:
    what = "usage plan"
    if plan.rate_limit is not None:
        step = rate_limits.step_of([plan.rate_limit.layer(name)], route, runtime, what)
        assert step is not None
        yield step
    if plan.quota is not None:
        step = quotas.step_of([plan.quota.quota(name)], route, runtime, what)
        assert step is not None
        yield step


def _step(value: UsagePlans, plans: dict[str, tuple[Step, ...]]) -> Step:
    by_caller = {key: plans[name] for name, plan in value.plans.items() for key in plan.keys}
    otherwise = () if value.otherwise == "skip" else plans.get(value.otherwise)

    def step(exchange: Exchange) -> Outcome:
        found = plans.get(exchange.usage_plan) if exchange.usage_plan is not None else None
        if found is None:
            found = by_caller.get(exchange.principal, otherwise) if exchange.principal is not None else otherwise
        if found is None:
            return _NO_PLAN
        for one in found:
            outcome = one(exchange)
            if outcome is not None:
                return outcome
        return None

    return step


POLICY = _Policy()
