"""`request`: what goes to the upstream, changed (docs/transformation.md)."""

from apigw_cli.policies.request.policy import POLICY

__all__ = ["POLICY"]
