"""The policies that there are. Adding one: write its file, add its object here; nothing else changes."""

from __future__ import annotations

from apigw_cli.policies import (
    auth,
    cache,
    compression,
    concurrency,
    cors,
    ip,
    max_body,
    quota,
    rate_limit,
    redirect,
    request,
    request_headers,
    response,
    response_limit,
    security_headers,
    usage_plans,
    validation,
)
from apigw_cli.policies.interface import Policy

POLICIES: tuple[Policy, ...] = (
    ip.POLICY,
    cors.POLICY,
    auth.POLICY,
    rate_limit.POLICY,
    usage_plans.POLICY,
    quota.POLICY,
    concurrency.POLICY,
    max_body.POLICY,
    validation.POLICY,
    redirect.POLICY,
    cache.POLICY,
    request.POLICY,
    request_headers.POLICY,
    response.POLICY,
    security_headers.POLICY,
    response_limit.POLICY,
    compression.POLICY,
)

BY_NAME: dict[str, Policy] = {policy.name: policy for policy in POLICIES}
