"""The generate targets that there are. Adding one: write its module, add its object here; nothing else changes."""

from __future__ import annotations

from apigw_cli.config.located import nearest
from apigw_cli.errors import UsageError
from apigw_cli.generate.nginx import NGINX
from apigw_cli.generate.routes import ROUTES
from apigw_cli.generate.schema import SCHEMA
from apigw_cli.generate.target import Target

TARGETS: tuple[Target, ...] = (ROUTES, NGINX, SCHEMA)


def find(name: str) -> Target:
    """The target called `name`. Raises UsageError with the nearest name and the list."""
    by_name = {target.name: target for target in TARGETS}
    if name not in by_name:
        listed = f"targets: {', '.join(by_name)}"
        near = nearest(name, list(by_name))
        raise UsageError(f'there is no target "{name}"', hint=f"{near} {listed}" if near else listed)
    return by_name[name]
