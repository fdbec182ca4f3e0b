"""Policies that change, check, keep and encode answers, together: random requests against an origin of many moods."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apigw_cli.caching.memory import CacheMemory
from apigw_cli.gateway import cache_keys, metrics, sockets
from apigw_cli.gateway.limiting import Limiting
from apigw_cli.gateway.metrics import WorkerCells
from apigw_cli.gateway.worker import Worker
from apigw_cli.limits.inflight import InFlight
from apigw_cli.limits.slots import Slots
from apigw_cli.limits.store import MemoryStore
from apigw_cli.snapshot.model import Api, HttpIntegration, Route, Snapshot, Timeout, Upstream
from tests.gateway import mixture
from tests.gateway.caching import MovedClock
from tests.gateway.inside import Inside, eventually
from tests.gateway.mixture import SITES, STACKS, Ask, Got, Judge, Mood, Origin, Step

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
ANY = {"content": {"application/json": {}}}


def operation(name: str, method: str) -> dict[str, Any]:
    """Its answers have a number; where they are edited, under its new name."""
    number = "m" if "response" in STACKS[name] else "n"
    schema = {"type": "object", "required": [number], "properties": {number: {"type": "integer"}}}
    good = {"description": "", "content": {"application/json": {"schema": schema}}}
    responses = {"200": good, "4XX": {"description": ""}, "5XX": {"description": ""}}
    body = {} if method in ("GET", "HEAD") else {"requestBody": ANY}
    return {"operationId": f"{name}-{method}", "responses": responses, **body}


PATHS = {f"/{name}/{{rest+}}": {m.lower(): operation(name, m) for m in METHODS} for name in STACKS}
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Any", "version": "1"}, "paths": PATHS}


def snapshot(port: int) -> Snapshot:
    routes = tuple(
        Route("api", f"{name}-{method}", method, f"/{name}/{{rest+}}", (), HttpIntegration("up"), policies)
        for name, policies in STACKS.items()
        for method in METHODS
    )
    upstream = Upstream("up", (f"http://127.0.0.1:{port}",), "round_robin", Timeout(1, 5, 5))
    document: Any = {"spec": orjson.dumps(DOCUMENT)}
    return Snapshot(1, "test", (Api("api", "http", "spec", (), "", "t"),), routes, {"up": upstream}, {}, document)


class Arena:
    """One gateway and one origin for all examples; each has paths and versions of its own."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = MovedClock()
        self.origin = Origin(self.clock)
        self.inside: Inside = self.runner.run(self._start())
        self.examples = 0

    async def _start(self) -> Inside:
        self.server = await asyncio.start_server(self.origin.serve, "127.0.0.1", 0)
        listener = sockets.bind("127.0.0.1", 0, 1)[0]
        limiting = Limiting(MemoryStore(1024), MemoryStore(1024), Slots.create(1, 100), self.clock)
        cells, memory = WorkerCells(metrics.create(1), 0), CacheMemory.alone(1 << 20)
        worker = Worker(listener, InFlight.create(1, 200), limiting, cells, None, memory)
        one = Inside(worker, listener.getsockname()[1])
        refused = await one.serve(snapshot(self.server.sockets[0].getsockname()[1]))
        assert refused is None, refused
        return one

    async def stop(self) -> None:
        await self.inside.worker.drain(1)
        self.server.close()

    # --- one example

    async def play(self, steps: list[Step]) -> None:
        self.examples += 1
        self.origin.seen.clear()
        self.origin.versions.clear()
        site = self.inside.worker.site
        site.cache.purges.purge_all()
        site.cache._passes.clear()
        judge = Judge(self.origin)
        for step in steps:
            await self._step(judge, step)
        assert site.cache.store.held == 0
        assert not site.cache.flights

    async def _step(self, judge: Judge, step: Step) -> None:
        origin, site = self.origin, self.inside.worker.site
        origin.mood = step.mood
        self.clock.seconds += step.seconds
        first = step.asks[0]
        if step.changes:
            path = self._path(first)
            origin.versions[path] = origin.versions.get(path, 0) + 1
        if step.purge == "all":
            site.cache.purges.purge_all()
            judge.void_all = len(origin.seen)
        elif step.purge:
            site.cache.purges.purge(cache_keys.mark(b"api.test", self._path(first)))
            judge.void[self._path(first)] = len(origin.seen)
        began = {**judge.void, "*": judge.void_all, "g": judge.void_group}
        sent = [self._fields(judge, ask) for ask in step.asks]
        answers = await asyncio.gather(*map(self._send, step.asks, sent))
        for ask, fields, got in zip(step.asks, sent, answers, strict=True):
            judge.check(replace(ask, path=self._path(ask).split("/", 2)[2]), fields, got, began)
        await eventually(lambda: not site.fetches)
        for one in origin.seen:
            if one.method in ("POST", "PUT", "DELETE") and 200 <= one.status < 400:
                own = 0 if one.method == "POST" else 1
                judge.void[one.path] = max(judge.void.get(one.path, 0), one.seq + own)
                if one.mood.group:
                    judge.void_group = max(judge.void_group, one.seq + own)

    def _path(self, ask: Ask) -> str:
        return f"/{ask.stack}/{self.examples}/{ask.path}"

    def _fields(self, judge: Judge, ask: Ask) -> dict[str, str]:
        fields = dict(ask.fields)
        url = f"{self._path(ask)}?{ask.query}"
        tags = judge.tags(url)
        if ask.tag and tags:
            fields["If-None-Match"] = {"one": tags[-1], "weak": f"W/{tags[-1]}", "list": ", ".join(tags)}[ask.tag]
        dates = judge.dates(url)
        if ask.dated and dates and not ask.fields:  # what others have may have another date's bytes
            fields["If-Modified-Since"] = dates[-1]
        if ask.range:
            fields["Range"] = ask.range
            if ask.if_range and tags:
                fields["If-Range"] = tags[-1]
        return fields

    async def _send(self, ask: Ask, fields: dict[str, str]) -> Got:
        target = f"{self._path(ask)}?{ask.query}" if ask.query else self._path(ask)
        body = b"" if ask.method in ("GET", "HEAD") else b"{}"
        more = {"Content-Length": "2", "Content-Type": "application/json"} if body else {}
        names = {"Host": "api.test", "Connection": "close", **more, **fields}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.inside.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in names.items())
        writer.write(f"{ask.method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        try:
            data = await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            data = b""
        finally:
            writer.close()
        return mixture.parsed(data, ask.method)


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    one = Arena()
    with one.runner:
        yield one
        one.runner.run(one.stop())


SAYS = (
    *("max-age=30", "public, max-age=30", "max-age=30, must-revalidate", "private, max-age=30", "no-store", ""),
    *("no-cache, max-age=30", "max-age=10, stale-while-revalidate=60", "max-age=10, stale-if-error=100"),
    *("s-maxage=30, max-age=0", "max-age=0", "public, max-age=0, stale-while-revalidate=40"),
)
FAULTS = ("500", "404", "text", "lost", "huge", "bad", "unranged")
moods = st.builds(
    Mood,
    says=st.sampled_from(SAYS),
    varies=st.sampled_from(("", "", "", "accept-language", "accept-encoding", "cookie", "*")),
    tag=st.sampled_from(("strong", "strong", "weak", "none")),
    modified=st.booleans(),
    cookie=st.sampled_from((False, False, False, True)),
    frame=st.sampled_from((*("length",) * 5, "chunked", "chunked", "close", "broken")),
    fault=st.sampled_from((*("",) * 12, *FAULTS)),
    group=st.booleans(),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Authorization": st.sampled_from(("Basic YTph", "Basic Yjpi")),
        "Cookie": st.sampled_from(("sid=1", "sid=2")),
        "Accept-Encoding": st.sampled_from(("gzip", "identity")),
        "Accept-Language": st.sampled_from(("en", "de")),
        "Cache-Control": st.sampled_from(("no-cache", "no-store", "max-age=0", "max-stale", "only-if-cached")),
        "Origin": st.sampled_from(SITES),
        "X-Plan": st.sampled_from(("gold", "tin")),
    },
).map(lambda one: tuple(one.items()))


ONE = (
    *(("Authorization", "Basic YTph"), ("Cookie", "sid=1"), ("X-Plan", "tin")),
    *(("Accept-Language", "en"), ("Accept-Encoding", "gzip"), ("Origin", SITES[0])),
)
one_header = st.sampled_from(ONE).map(lambda one: (one,))


def asks(stack: str) -> st.SearchStrategy[Ask]:
    return st.builds(
        Ask,
        stack=st.just(stack),
        path=st.sampled_from("aaaab"),
        query=st.sampled_from((*("",) * 6, "q=1", "q=1&z=2")),
        method=st.sampled_from((*("GET",) * 8, "HEAD", "HEAD", "POST", "PUT", "DELETE")),
        fields=st.one_of(st.just(()), headers, one_header),
        tag=st.sampled_from(("", "", "one", "weak", "list")),
        dated=st.sampled_from((False, False, True)),
        range=st.sampled_from(("", "", "", "bytes=0-99", "bytes=100-", "bytes=0-", "bytes=9999-")),
        if_range=st.booleans(),
    )


USUAL = (
    *(Mood(), Mood(frame="chunked"), Mood("public, max-age=30"), Mood("max-age=30, must-revalidate", tag="weak")),
    *(Mood(varies="accept-language"), Mood(varies="accept-encoding"), Mood(varies="cookie"), Mood(cookie=True)),
)


def steps(stack: str) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        asks=st.lists(asks(stack), min_size=1, max_size=3).map(tuple),
        mood=st.one_of(st.sampled_from(USUAL), moods),
        seconds=st.sampled_from((0, 0, 0, 0, 5, 12, 25, 50, 90)),
        purge=st.sampled_from((*("",) * 12, "url", "all")),
        changes=st.sampled_from((False, False, True)),
    )


stories = st.sampled_from(sorted(STACKS)).flatmap(lambda stack: st.lists(steps(stack), min_size=5, max_size=10))


# The same stories each time; thousands of others: without `derandomize`, and as many examples as there is time for.
@settings(max_examples=160, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(stories)
def test_nobody_gets_what_is_not_theirs_not_whole_not_fresh_or_changed_twice(arena: Arena, story: list[Step]) -> None:
    arena.runner.run(arena.play(story))
