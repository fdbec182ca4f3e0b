"""Certificates for tests, made by the `openssl` program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program makes the certificates")


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def authority(folder: Path, name: str) -> Pair:
    """A certificate authority that nobody knows."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}")
    use = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", "-x509", "-days", "2", *new, *use, "-keyout", pair.key, "-out", pair.certificate)
    return pair


def issue(folder: Path, name: str, by: Pair, *names: str) -> Pair:
    """A certificate for `names`: `DNS:a.example`, `IP:127.0.0.1`."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}")
    _openssl("req", "-new", *new, "-keyout", pair.key, "-out", request)
    extensions.write_text(f"subjectAltName={','.join(names)}\n" if names else "basicConstraints=CA:FALSE\n")
    signer = ("-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial")
    _openssl("x509", "-req", "-days", "2", "-in", request, *signer, "-extfile", extensions, "-out", pair.certificate)
    return pair
