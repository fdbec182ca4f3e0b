"""The protection diff: what weakens the gateway. Two Snapshots compared route by route, after resolution.

    routes.py     each policy of each route through the policy's own `compare`; what answers; routes added open
    takeover.py   requests that another route takes now, with less protection than the one that took them
    gateway.py    what routes share: listener, proxies, stores of limits, security schemes, upstreams
    tables.py     a line for each of those settings: how it is judged, and whom a change of it hurts

Whatever is ambiguous counts as weakening: a person can accept it with a reason, nobody can un-miss it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apigw_cli.stages.deployments import Deployment
from apigw_cli.stages.finding import Finding
from apigw_cli.stages.protection import gateway, routes, takeover
from apigw_cli.stages.protection.sides import Sides


def compare(
    base: Deployment, revision: Deployment, documented: frozenset[str], apis: Mapping[str, str]
) -> Iterator[Finding]:
    """Every change of protection from `base` to `revision`, and what stricter policies mean for clients.

    `documented` holds the operations (`api:METHOD /path`) whose specifications announce a change of who may call,
    `apis` the old name of each API that was there before.
    """
    sides = Sides(base, revision, documented, apis)
    yield from gateway.compare(sides)
    yield from routes.compare(sides)
    yield from takeover.compare(sides)
