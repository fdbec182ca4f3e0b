"""One target's host name, looked up without stopping the loop, and again from time to time."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from apigw_cli.integrations.addresses import Addresses

if TYPE_CHECKING:
    from apigw_cli.gateway.site import Site

Resolve = Callable[[str], Awaitable[Sequence[str]]]


async def system(host: str) -> list[str]:
    """The addresses of a name as the system finds them (getaddrinfo, in a thread). Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_name(host: str) -> bool:
    """Whether there is something to look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return False


class Name:
    """Looked up when first needed, then every `refresh` nanoseconds; one look at a time.

    A look that fails, or finds nothing, leaves what was known. `gone` hears which addresses are no more.
    """

    def __init__(self, site: Site, host: str, refresh: int, gone: Callable[[frozenset[str]], None]) -> None:
        self.addresses = Addresses()
        self.refresh = refresh
        self._site = site
        self._host = host
        self._gone = gone
        self._looking: asyncio.Task[None] | None = None
        self._due = 0
        self._why = ""  # the last look found nothing

    async def order(self) -> tuple[str, ...]:
        """In which order to try the addresses. Raises OSError where none is known."""
        if not self.addresses.known:
            await asyncio.shield(self._look())  # others may wait for it as well
        if not self.addresses.known:
            raise OSError(None, f"its name {self._host} cannot be resolved: {self._why}")
        return self.addresses.order()

    def tick(self, now: int) -> None:
        """Time has passed."""
        if self.addresses.known and now >= self._due and self._looking is None:
            self._look()

    def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    def _look(self) -> asyncio.Task[None]:
        if self._looking is None:
            self._looking = self._site.loop.create_task(self._resolve())
        return self._looking

    async def _resolve(self) -> None:
        try:
            found = await self._site.resolve(self._host)
        except (OSError, UnicodeError) as error:
            self._why = getattr(error, "strerror", None) or str(error)
        else:
            self._why = "it has no address"
            if found:
                gone = self.addresses.learn(found)
                if gone:
                    self._gone(gone)
        finally:
            self._due = self._site.clock() + self.refresh
            self._looking = None
