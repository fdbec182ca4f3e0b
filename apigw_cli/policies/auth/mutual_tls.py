"""Mutual TLS: the caller is whoever the client certificate names.

The listener has verified the certificate against `listen.tls.client_ca`; here it is decided whether it is one that
is let in. There is no challenge for it (RFC 9110 knows none): without a certificate the answer is 403.
"""

from __future__ import annotations

from apigw_cli.policies.auth.caller import Caller, Check, Denied
from apigw_cli.policies.interface import Exchange, Runtime
from apigw_cli.snapshot.schemes import MutualTls

_MISSING = Denied(401, None, "Forbidden: a client certificate is needed")
_OTHER = Denied(403, None, "Forbidden: the client certificate is not one that is let in")


def compile(scheme: MutualTls, runtime: Runtime) -> Check:  # noqa: A001
    subjects, names, fingerprints = map(frozenset, (scheme.subjects, scheme.names, scheme.fingerprints))
    everyone = not (subjects or names or fingerprints)

    def check(exchange: Exchange) -> Caller | Denied:
        certificate = exchange.client_certificate
        if certificate is None:
            return _MISSING
        known = everyone or certificate.subject in subjects or certificate.fingerprint in fingerprints
        if not known and not any(f"{kind}:{value}" in names for kind, value in certificate.names):
            return _OTHER
        return Caller(certificate.subject or f"SHA-256 {certificate.fingerprint}")

    return check
