"""The compiler's view outwards: the upstreams that answer, the proxies in front, the listener for clients."""

from __future__ import annotations

import ipaddress
from functools import partial
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from apigw_cli.config.located import Located
from apigw_cli.config.model import Config, LimiterServiceConfig, PoolConfig, RedisConfig, TargetConfig, UpstreamConfig
from apigw_cli.config.reference import SecretReference
from apigw_cli.errors import InputError
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.yaml import Steps
from apigw_cli.snapshot import model
from apigw_cli.snapshot.provenance import Origin, Provenance


class Surroundings:
    """Turns what `apigw.yaml` says of the outside into the Snapshot's form; collects `problems` and provenance."""

    def __init__(self, config: Located, provenance: Provenance, problems: list[InputError]) -> None:
        self.config = config
        self.provenance = provenance
        self.problems = problems

    def upstreams(self, config: Config) -> dict[str, model.Upstream]:
        found = {}
        for name, upstream in config.upstreams.items():
            at: Steps = ("upstreams", name)
            targets = tuple(self._target(target, (*at, "targets", i)) for i, target in enumerate(upstream.targets))
            times = upstream.timeout
            idle = None if times.idle is None else float(times.idle)
            timeout = model.Timeout(float(times.connect), float(times.first_byte), float(times.total), idle)
            found[name] = model.Upstream(
                name,
                targets,
                upstream.balance,
                timeout,
                _health(upstream),
                _eject(upstream),
                _retries(upstream),
                _weights(upstream),
                _hash_on(upstream),
                upstream.host == "preserve",
                self._tls(upstream, targets, at),
                upstream.when_all_out == "refuse",
                None if upstream.slow_start is None else float(upstream.slow_start),
                _pool(upstream.pool),
                self._dns(upstream, targets, at),
            )
            written = openapi.mapping(openapi.mapping(self.config.data.get("upstreams")).get(name))
            for key in written:
                origin = Origin("upstream", partial(self.config.place, (*at, key)))
                self.provenance.add(f"upstream:{name}", key, origin)
        return found

    def _tls(self, upstream: UpstreamConfig, targets: tuple[str, ...], at: Steps) -> model.UpstreamTls:
        tls = upstream.tls
        if tls is None:
            return model.UpstreamTls()
        at = (*at, "tls")
        if not any(target.startswith("https:") for target in targets):
            self._wrong("tls has no effect: no target is an https:// URL", at)
        if not tls.verify and tls.ca is not None:
            self._wrong("ca has no effect with verify: false", (*at, "ca"))
        if (tls.certificate is None) != (tls.key is None):
            self._wrong("certificate and key are needed together", at)
        ca, certificate, key = (
            self._reference(reference, (*at, name))
            for name, reference in (("ca", tls.ca), ("certificate", tls.certificate), ("key", tls.key))
        )
        return model.UpstreamTls(tls.verify, ca, tls.server_name or "", certificate, key)

    def _dns(self, upstream: UpstreamConfig, targets: tuple[str, ...], at: Steps) -> float | None:
        if upstream.dns is None:
            return None
        if all(_is_address(target) for target in targets):
            self._wrong("dns has no effect: every target is an address", (*at, "dns"))
        refresh = float(upstream.dns.refresh)
        return None if refresh == model.DNS_REFRESH else refresh

    def _reference(self, reference: SecretReference | None, at: Steps) -> str:
        if reference is None:
            return ""
        if (reference.file is None) == (reference.env is None):
            self._wrong(f"{at[-1]} needs exactly one of file and env", at)
        return f"file:{reference.file}" if reference.file is not None else f"env:{reference.env}"

    def _wrong(self, message: str, at: Steps) -> None:
        self.problems.append(InputError(message, place=self.config.place(at)))

    def _target(self, target: str | TargetConfig, at: Steps) -> str:
        if isinstance(target, TargetConfig):
            target, at = target.url, (*at, "url")
        problem = _target_problem(target)
        if problem:
            self.problems.append(
                InputError(
                    f'target "{redact(target)}" {problem}',
                    place=self.config.place(at),
                    hint="write scheme, host and port only: http://127.0.0.1:9001",
                )
            )
        return target.rstrip("/")

    def proxy(self, config: Config) -> model.Proxy:
        trusted = []
        for i, text in enumerate(config.trusted_proxies):
            try:
                trusted.append(text if text == "unix" else str(ipaddress.ip_network(text)))
            except ValueError as error:
                message = f"not a network: {error}"
                hint = "write an address or a CIDR: 10.0.0.0/8, 192.0.2.7, 2001:db8::/32; or unix"
                self.problems.append(InputError(message, place=self.config.place(("trusted_proxies", i)), hint=hint))
        return model.Proxy(tuple(trusted), config.forwarded, config.via)

    def listen(self, config: Config) -> model.Listen:
        listen, tls = config.listen, config.listen.tls
        times = float(listen.header_timeout), float(listen.idle_timeout), float(listen.websocket_timeout)
        queue = model.Queue(listen.queue.length, float(listen.queue.time))
        limits = (listen.max_body, *times, listen.connections, listen.streams, queue)
        if tls is None:
            return model.Listen(None, *limits)
        at: Steps = ("listen", "tls")
        pairs = tuple(
            (
                self._reference(pair.cert, (*at, "certificates", i, "cert")),
                self._reference(pair.key, (*at, "certificates", i, "key")),
            )
            for i, pair in enumerate(tls.certificates)
        )
        client_ca = self._reference(tls.client_ca, (*at, "client_ca"))
        if tls.client_ca is None:
            for key in ("client_certificates", "forward_client_certificate"):
                if key in openapi.mapping(self.config.data["listen"]["tls"]):
                    self._wrong(f"{key} has no effect without client_ca", (*at, key))
        forward = "" if tls.forward_client_certificate == "off" else tls.forward_client_certificate
        optional = tls.client_certificates == "optional"
        secure = model.ListenTls(pairs, tls.min_version, client_ca, optional, forward)
        return model.Listen(secure, *limits)

    def limits(self, config: Config) -> model.Limits | UnsetType:
        redis, service = config.limits.redis, config.limits.service
        if redis is None and service is None:
            return UNSET
        return model.Limits(self._redis(redis), self._limiter(service))

    def _redis(self, redis: RedisConfig | None) -> model.Redis | None:
        if redis is None:
            return None
        at: Steps = ("limits", "redis")
        if redis.ca is not None and not redis.url.startswith("rediss:"):
            self._wrong("ca has no effect: url is no rediss:// URL", (*at, "ca"))
        password, ca = self._reference(redis.password, (*at, "password")), self._reference(redis.ca, (*at, "ca"))
        return model.Redis(redis.url, float(redis.timeout), redis.prefix, redis.username or "", password, ca)

    def _limiter(self, service: LimiterServiceConfig | None) -> model.LimiterService | None:
        if service is None:
            return None
        token = self._reference(service.token, ("limits", "service", "token"))
        return model.LimiterService(service.url, float(service.timeout), token)


def _health(upstream: UpstreamConfig) -> model.HealthCheck | None:
    if upstream.health is None:
        return None
    check = upstream.health
    times = float(check.every), float(check.timeout)
    return model.HealthCheck(check.path, *times, check.healthy_after, check.unhealthy_after)


def _eject(upstream: UpstreamConfig) -> model.Eject | None:
    eject = upstream.eject
    return model.Eject(eject.after, float(eject.first), float(eject.longest)) if eject is not None else None


def _pool(pool: PoolConfig) -> model.Pool | None:
    usual = model.Pool()
    found = model.Pool(
        pool.connections,
        pool.idle,
        float(pool.idle_timeout),
        usual.queue if pool.queue is None else pool.queue,
        usual.queue_timeout if pool.queue_timeout is None else float(pool.queue_timeout),
    )
    return None if found == usual else found


def _weights(upstream: UpstreamConfig) -> tuple[int, ...]:
    weights = tuple(target.weight if isinstance(target, TargetConfig) else 1 for target in upstream.targets)
    return weights if len(set(weights)) > 1 else ()


def _hash_on(upstream: UpstreamConfig) -> str:
    """Names of headers have no case."""
    written = upstream.hash_on or ""
    return written.lower() if written.startswith("header:") else written


def _retries(upstream: UpstreamConfig) -> model.Retries | None:
    retries = upstream.retries
    if retries is None:
        return None
    on = tuple(sorted({str(one) for one in retries.on}))
    return model.Retries(retries.attempts, float(retries.budget), () if set(on) == set(model.RETRIED) else on)


def _is_address(target: str) -> bool:
    try:
        ipaddress.ip_address(urlsplit(target).hostname or "")
    except ValueError:
        return False
    return True


def _target_problem(target: str) -> str | None:
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError as error:
        return f"is not a URL: {error}"
    if parts.scheme not in ("http", "https"):
        return "is not an http:// or https:// URL"
    if not parts.hostname:
        return "names no host"
    if parts.username or parts.password:
        return "holds credentials, which belong in a header by reference"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "holds a path or query"
    return "has port 0" if port == 0 else None


def redact(target: str) -> str:
    """A URL without what stands before its `@`."""
    scheme, separator, rest = target.partition("://")
    return f"{scheme}{separator}…@{rest.rpartition('@')[2]}" if "@" in rest else target
