"""The targets that there are. Adding one: write its rules, name them here; nothing else changes."""

from __future__ import annotations

from apigw_cli.errors import UsageError
from apigw_cli.lint.model import Rule, Severity
from apigw_cli.lint.targets import aws, azure, others, traefik, tyk

TARGETS: dict[str, tuple[Rule, ...]] = {
    "aws-rest": aws.REST,
    "aws-http": aws.HTTP,
    "kong": others.KONG,
    "nginx": others.NGINX,
    "envoy": others.ENVOY,
    "google": others.GOOGLE,
    "azure": azure.AZURE,
    "tyk": tyk.TYK,
    "traefik": traefik.TRAEFIK,
}
RULES = tuple(rule for rules in TARGETS.values() for rule in rules)


def rules_of(name: str) -> dict[str, Severity]:
    """The rules of a target with their severities. Raises UsageError for a name that is none."""
    if name not in TARGETS:
        raise UsageError(f'there is no target "{name}"', hint=f"known: {', '.join(TARGETS)}")
    return {rule.id: rule.severity for rule in TARGETS[name]}
