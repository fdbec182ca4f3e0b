"""Counts in a file on a disk that fills up: whoever has room counts on, nobody dies of it, nobody gets in unseen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apigw_cli.gateway.options import Options
from apigw_cli.gateway.shared import NoRoom, Shared
from apigw_cli.limits.algorithms import Bucket
from apigw_cli.limits.kept import KeptStore
from apigw_cli.limits.memory import PAGE
from apigw_cli.limits.rate import parse
from apigw_cli.limits.store import FULL
from apigw_cli.limits.table import Charge

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room on the disk cannot be asked for")

LIMIT = Bucket("kept", parse("1/h"), 2)


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a disk have room for so many pages more."""
    left = 1 << 30
    real = os.posix_fallocate

    def limited(fd: int, at: int, size: int) -> None:
        nonlocal left
        if left < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= size
        real(fd, at, size)

    def only(pages: int) -> None:
        nonlocal left
        left = pages * PAGE

    monkeypatch.setattr(os, "posix_fallocate", limited)
    return only


def test_a_key_without_room_is_refused_and_others_count_on(tmp_path: Path, fill: Callable[[int], None]) -> None:
    store = KeptStore.of_file(tmp_path / "t", 1 << 14)
    try:
        assert [store.take(b"alice", LIMIT, 0).allowed for _ in range(2)] == [True, True]
        fill(0)
        strangers = [store.take(b"%d" % number, LIMIT, 0) for number in range(40)]
        assert strangers.count(FULL) > 30 and store.full == strangers.count(FULL)
        assert store.take_all([Charge(b"1", LIMIT)], 0) == [FULL]
        assert store.take(b"alice", LIMIT, 0).retry_after > 0, "who has room is still counted"
        fill(1 << 20)
        assert store.take(b"1", LIMIT, 0).allowed
    finally:
        store.close()


def test_what_was_counted_is_there_for_the_next(tmp_path: Path, fill: Callable[[int], None]) -> None:
    first = KeptStore.of_file(tmp_path / "t", 1 << 10)
    assert [first.take(b"alice", LIMIT, 0).allowed for _ in range(2)] == [True, True]
    first.close()
    second = KeptStore.of_file(tmp_path / "t", 1 << 10)
    assert not second.take(b"alice", LIMIT, 0).allowed
    second.close()
    assert (tmp_path / "t").stat().st_blocks * 512 <= 4 * PAGE, "pages get room when they are needed"


def test_a_disk_that_is_full_from_the_start(tmp_path: Path, fill: Callable[[int], None]) -> None:
    fill(0)
    with pytest.raises(OSError, match="No space"):
        KeptStore.of_file(tmp_path / "t", 1 << 10)
    with pytest.raises(NoRoom, match=r"cannot write .*No space"):
        Shared.create(Options(access_log="off"), tmp_path / "t")
