"""What clients may do, as one Snapshot has it, in the units of the data path."""

from __future__ import annotations

from dataclasses import dataclass

from apigw_cli.snapshot.model import Listen


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Times in nanoseconds, `max_body` in bytes; `connections`, `streams` and `queue_length` of one worker."""

    max_body: int
    header: int
    idle: int
    websocket: int
    connections: int
    streams: int
    queue_length: int
    queue_time: int

    @classmethod
    def of(cls, listen: Listen) -> ClientLimits:
        most = listen.max_body if listen.max_body is not None else 1 << 62
        return cls(
            most,
            int(listen.header_timeout * 1e9),
            int(listen.idle_timeout * 1e9),
            int(listen.websocket_timeout * 1e9),
            listen.connections,
            listen.streams,
            listen.queue.length,
            int(listen.queue.time * 1e9),
        )
