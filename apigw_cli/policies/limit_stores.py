"""The stores of limits that are elsewhere, as services of the worker: one connection for each, kept over reloads."""

from __future__ import annotations

from urllib.parse import urlsplit

from apigw_cli.errors import InputError
from apigw_cli.limits.redis_store import Address, RedisTransport
from apigw_cli.limits.remote import Remote
from apigw_cli.limits.service import Address as Destination
from apigw_cli.limits.service import ServiceTransport
from apigw_cli.policies.interface import Runtime
from apigw_cli.snapshot.model import LimiterService, Redis


def remote_store(runtime: Runtime, store: str) -> Remote:
    """The store for `store: redis` or `service`. Raises InputError where none is configured."""
    limits = runtime.snapshot.limits
    found = getattr(limits, store, None) if limits else None
    if found is None:
        name, url = {"redis": ("Redis", "redis://host:6379"), "service": ("service", "http://host:8082")}[store]
        raise InputError(
            f"a limit has store: {store}, and no {name} is configured",
            hint=f"add to apigw.yaml: limits: {{{store}: {{url: {url}}}}}",
        )
    return _redis(found, runtime) if isinstance(found, Redis) else _service(found, runtime)


# The keys of services hold the secrets themselves: a password that was changed makes a new connection.


def _redis(redis: Redis, runtime: Runtime) -> Remote:
    password, ca = (runtime.secret(one).decode().strip() if one else "" for one in (redis.password, redis.ca))
    prefix = f"{redis.prefix}:{runtime.snapshot.stage}"

    def make() -> Remote:
        return Remote(
            RedisTransport(_address(redis, password, ca), prefix, redis.timeout, runtime.offset), redis.timeout
        )

    return runtime.services.get(("limits in redis", redis, prefix, password, ca), make)


def _service(service: LimiterService, runtime: Runtime) -> Remote:
    token = runtime.secret(service.token).decode().strip() if service.token else ""
    parts = urlsplit(service.url)
    tls = parts.scheme == "https"
    address = Destination(parts.hostname or "", parts.port or (443 if tls else 80), tls, token)
    key = ("limits of a service", service, token)
    return runtime.services.get(key, lambda: Remote(ServiceTransport(address), service.timeout))


def _address(redis: Redis, password: str, ca: str) -> Address:
    parts = urlsplit(redis.url)
    database = int(parts.path.strip("/") or 0)
    tls = parts.scheme == "rediss"
    return Address(parts.hostname or "", parts.port or 6379, database, tls, redis.username, password, ca)
