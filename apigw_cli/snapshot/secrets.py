"""Secrets by reference: the bytes behind `file:NAME` and `env:NAME`, read at the last moment, kept in memory only."""

from __future__ import annotations

import os
from pathlib import Path

from apigw_cli.errors import InputError
from apigw_cli.snapshot.model import Snapshot


def references(snapshot: Snapshot) -> set[str]:
    """Everything that a Snapshot refers to and does not hold: key lists, certificates, private keys."""
    found = {reference for scheme in snapshot.auth.values() for reference in scheme.references()}
    for upstream in snapshot.upstreams.values():
        found |= {upstream.tls.ca, upstream.tls.certificate, upstream.tls.key}
    if snapshot.listen.tls is not None:
        found.add(snapshot.listen.tls.client_ca)
        found.update(reference for pair in snapshot.listen.tls.certificates for reference in pair)
    if snapshot.limits and snapshot.limits.redis is not None:
        found |= {snapshot.limits.redis.password, snapshot.limits.redis.ca}
    if snapshot.limits and snapshot.limits.service is not None:
        found.add(snapshot.limits.service.token)
    return found - {""}


def label(reference: str, root: Path) -> str:
    """How messages name what a reference leads to: the file, or the variable; never what is in it."""
    kind, _, name = reference.partition(":")
    return os.path.relpath(root / name) if kind == "file" else f"${name}"


def read(reference: str, root: Path) -> bytes:
    """The bytes behind a reference; files are relative to `root`. Raises InputError where there are none."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environb.get(name.encode()) if os.supports_bytes_environ else os.environ.get(name, "").encode()
        if not value:
            raise InputError(f"the environment has no {name}", hint=f"apigw.yaml names it: export {name}=…")
        return value
    try:
        return (root / name).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {label(reference, root)}: {error.strerror}", hint="apigw.yaml names this file"
        ) from None
