"""`compress`: answers in the coding that the client likes best (RFC 9110, sections 8.4 and 12.5.3)."""

from apigw_cli.policies.compression.policy import POLICY

__all__ = ["POLICY"]
