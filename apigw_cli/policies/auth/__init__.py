"""`auth`: who calls, and whether the specification's `security` lets them (docs/auth.md). One file for each scheme."""

from apigw_cli.policies.auth.api_key import EPHEMERAL
from apigw_cli.policies.auth.policy import POLICY

__all__ = ["EPHEMERAL", "POLICY"]
