"""`validate`: whether requests, and answers, are what the specification says they are.

operation.py    an operation's contract: its parameters and bodies, made ready at load
parameters.py   the values in paths, queries, headers and cookies, by their styles
bodies.py       bodies by their media types: JSON, forms, text
strict_json.py  JSON that every reader takes for the same
schema.py       whether a value fits a schema, and where it does not
problem.py      violations and the answer that lists them (RFC 9457)
policy.py       what the user may write, and the step
"""

from apigw_cli.policies.validation.policy import POLICY

__all__ = ["POLICY"]
