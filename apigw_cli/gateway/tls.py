"""TLS contexts, made from PEM bytes that the supervisor has read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from apigw_cli.errors import InputError
from apigw_cli.snapshot.model import Listen, ListenTls, Upstream, UpstreamTls

HANDSHAKE_SECONDS = 10.0  # for a client to complete its TLS handshake
_SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")  # the object identifier 2.5.29.17, as DER has it

Secret = Callable[[str], bytes]
Label = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Secure:
    """How to speak TLS to an upstream. `server_name` '': the target's host. Equal fingerprints mean equal settings."""

    context: ssl.SSLContext
    server_name: str
    fingerprint: str


def of_upstream(upstream: Upstream, secret: Secret, label: Label) -> Secure | None:
    """What its https:// targets need; None where it has none. Raises InputError for certificates that are of no use."""
    if not any(target.startswith("https:") for target in upstream.targets):
        return None
    tls = upstream.tls
    material = [secret(reference) for reference in (tls.ca, tls.certificate, tls.key) if reference]
    digest = hashlib.sha256(msgspec.json.encode(tls) + b"".join(hashlib.sha256(part).digest() for part in material))
    return Secure(_client_context(tls, secret, label), tls.server_name, digest.hexdigest())


def _client_context(tls: UpstreamTls, secret: Secret, label: Label) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies by default
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        load_authorities(context, secret(tls.ca), label(tls.ca))
    else:
        context.load_default_certs()
    if tls.certificate:
        load_chain(context, secret(tls.certificate), secret(tls.key), label(tls.certificate), label(tls.key))
    return context


@dataclass(frozen=True, slots=True)
class Listening:
    """How TLS is spoken to clients; equal fingerprints mean equal settings and certificates.

    `authorities` says which clients are let in by their certificates: '' all, else equal where that is the same.
    """

    context: ssl.SSLContext
    fingerprint: str
    authorities: str


def of_listener(listen: Listen, secret: Secret, label: Label) -> Listening | None:
    """What the listening sockets need; None for http. Raises InputError for certificates that are of no use."""
    tls = listen.tls
    if tls is None:
        return None
    contexts: list[ssl.SSLContext] = []
    by_name: dict[str, ssl.SSLContext] = {}
    digest = hashlib.sha256(msgspec.json.encode(tls))
    for certificate, key in tls.certificates:
        context = _server_context(tls, secret, label)
        load_chain(context, secret(certificate), secret(key), label(certificate), label(key))
        contexts.append(context)
        for name in names_of(secret(certificate)):
            by_name.setdefault(name, context)
        digest.update(hashlib.sha256(secret(certificate)).digest() + hashlib.sha256(secret(key)).digest())
    authorities = ""
    if tls.client_ca:
        authorities = f"{tls.client_optional} {hashlib.sha256(secret(tls.client_ca)).hexdigest()}"
    digest.update(authorities.encode())

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        low = (name or "").lower()
        found = by_name.get(low) or by_name.get("*." + low.partition(".")[2])
        if found is not None:  # all contexts have the same settings: only the certificate is another
            connection.context = found

    contexts[0].sni_callback = choose
    return Listening(contexts[0], digest.hexdigest(), authorities)


def _server_context(tls: ListenTls, secret: Secret, label: Label) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_ca:
        context.verify_mode = ssl.CERT_OPTIONAL if tls.client_optional else ssl.CERT_REQUIRED
        load_authorities(context, secret(tls.client_ca), label(tls.client_ca))
    return context


def names_of(pem: bytes) -> list[str]:
    """The DNS names of the first certificate in `pem`, in lower case: its subjectAltName (RFC 5280, 4.2.1.6)."""
    found = re.search(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    der = ssl.PEM_cert_to_DER_cert(found[0].decode("ascii")) if found else b""
    at = der.find(_SUBJECT_ALT_NAME)
    if at < 0:
        return []
    at += len(_SUBJECT_ALT_NAME)
    if der[at] == 0x01:  # "critical"
        at += 3
    for _ in range(2):  # the octets that hold the sequence, and the sequence
        at, end = _content(der, at)
    names = []
    while at < end:
        kind = der[at]
        start, at = _content(der, at)
        if kind == 0x82:  # dNSName
            names.append(der[start:at].decode("ascii", "replace").lower())
    return names


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the DER value at `at` begins and ends."""
    size, start = der[at + 1], at + 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[at + 2 : start], "big")
    return start, start + size


def load_authorities(context: ssl.SSLContext, pem: bytes, label: str) -> None:
    """Trust the certificates in `pem` and no others. Raises InputError."""
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError):
        raise InputError(f"{label} holds no PEM certificate", hint="-----BEGIN CERTIFICATE----- …") from None


def load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes, label: str, key_label: str) -> None:
    """Prove one's name with a certificate chain and its key. Raises InputError."""
    try:
        with _as_file(certificate.rstrip() + b"\n" + key) as path:
            context.load_cert_chain(path, password=lambda: "")  # else OpenSSL would ask on the terminal
    except ssl.SSLError as error:
        why = "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "are no PEM certificate and key"
        hint = "the key must be unencrypted PEM, the chain must begin with its certificate"
        raise InputError(f"{label} and {key_label} {why}", hint=hint) from None


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """OpenSSL reads a chain from a file: one that is in memory only, where the system has such."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("apigw-tls")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(prefix="apigw-") as folder:  # readable by its owner only, gone at once
        path = os.path.join(folder, "chain.pem")  # noqa: PTH118
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(data)
        yield path
