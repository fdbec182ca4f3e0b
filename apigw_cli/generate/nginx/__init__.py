"""Target `nginx`: a complete nginx.conf that decides as our gateway does, as far as nginx can.

A request's way through it: the server block of its host → the location of its path, which picks the operation by
method (`places`) → the operation's own location, which asks for a key, limits, edits headers and forwards. What
nginx does differently is a `Gap`; it also stands at the top of the file.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from apigw_cli.errors import UsageError
from apigw_cli.generate.nginx.config import Configuration
from apigw_cli.generate.target import Options, Rendered
from apigw_cli.snapshot.compiler import Compiled

DEFAULT_LISTEN = "8080"


class Nginx:
    name = "nginx"
    summary = "a complete nginx.conf"
    takes = frozenset({"config", "stage", "listen"})

    def render(self, options: Options, compiled: Callable[[], Compiled]) -> Rendered:
        listen = _checked(options.listen or DEFAULT_LISTEN)
        configuration = Configuration(compiled(), listen)
        return Rendered(configuration.text(), configuration.gaps)


NGINX = Nginx()


def _checked(listen: str) -> str:
    """`PORT`, `ADDRESS:PORT` or `[IPv6]:PORT`. Raises UsageError for anything else."""
    address, _, port = listen.rpartition(":")
    valid = re.fullmatch(r"[0-9]{1,5}", port) is not None and 0 < int(port) < 65536
    try:
        if address and address != "*":
            version = ipaddress.ip_address(address.strip("[]")).version
            valid = valid and (version == 6) == address.startswith("[")
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f'--listen "{listen}" is not an address', hint="write 8080, 127.0.0.1:8080 or [::1]:8080")
    return listen
