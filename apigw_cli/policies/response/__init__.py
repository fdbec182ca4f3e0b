"""`response`: what goes to the client, changed (docs/transformation.md)."""

from apigw_cli.policies.response.policy import POLICY

__all__ = ["POLICY"]
