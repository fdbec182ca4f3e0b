"""The stores of limits that are elsewhere, as services of the worker: one connection for each, kept over reloads."""

from __future__ import annotations

from urllib.parse import urlsplit

from apigw_cli.errors import InputError
from apigw_cli.limits.redis_store import Address, RedisTransport
from apigw_cli.limits.remote import Remote
from apigw_cli.policies.interface import Runtime
from apigw_cli.snapshot.model import Redis


def remote_store(runtime: Runtime) -> Remote:
    """The store for `store: redis`. Raises InputError where none is configured."""
    limits = runtime.snapshot.limits
    if not limits or limits.redis is None:
        raise InputError(
            "a limit has store: redis, and no Redis is configured",
            hint="add to apigw.yaml: limits: {redis: {url: redis://host:6379}}",
        )
    redis = limits.redis
    password, ca = (runtime.secret(one).decode().strip() if one else "" for one in (redis.password, redis.ca))
    prefix = f"{redis.prefix}:{runtime.snapshot.stage}"
    # The key holds the secrets themselves: a password that was changed makes a new connection.
    key = ("limits in redis", redis, prefix, password, ca)
    return runtime.services.get(
        key,
        lambda: Remote(
            RedisTransport(_address(redis, password, ca), prefix, redis.timeout, runtime.offset), redis.timeout
        ),
    )


def _address(redis: Redis, password: str, ca: str) -> Address:
    parts = urlsplit(redis.url)
    database = int(parts.path.strip("/") or 0)
    tls = parts.scheme == "rediss"
    return Address(parts.hostname or "", parts.port or 6379, database, tls, redis.username, password, ca)
