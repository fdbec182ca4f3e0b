"""Call back at an exact time. Event loops round their timers to a millisecond; Linux can do better.

A `timerfd` becomes readable within some 50 µs of its time, so that requests of an open model leave when they are
meant to. Elsewhere the loop's own timer serves.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = os.O_NONBLOCK if hasattr(os, "O_NONBLOCK") else 0
_TFD_TIMER_ABSTIME = 1


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """Calls `callback()` once after each `at`. A later `at` replaces an earlier one."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self.armed = False

    def at(self, when: int) -> None:
        """Ring at `when`, nanoseconds of CLOCK_MONOTONIC; at once where that is past."""
        self.armed = True
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0.0, (when - time.monotonic_ns()) / 1e9), self._ring)

    def _ring(self) -> None:
        self.armed = False
        self._handle = None
        self._callback()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class TimerfdAlarm(Alarm):
    """The same on a timerfd (Linux). Raises OSError where there is none to be had."""

    def __init__(self, callback: Callable[[], None]) -> None:
        super().__init__(callback)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop.add_reader(self._fd, self._readable)

    def at(self, when: int) -> None:
        self.armed = True
        seconds, rest = divmod(max(when, 1), 1_000_000_000)  # zero would disarm
        spec = _Itimerspec(0, 0, seconds, rest)
        self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None)

    def _readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set anew in between
        self._ring()

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def alarm(callback: Callable[[], None]) -> Alarm:
    """The best alarm that this system has."""
    if sys.platform == "linux":
        try:
            return TimerfdAlarm(callback)
        except (OSError, AttributeError):
            pass
    return Alarm(callback)
