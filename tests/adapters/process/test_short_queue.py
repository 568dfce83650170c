"""The queue of a program's output: short, and usable after an interrupt at any point."""

from __future__ import annotations

import random
import signal
import threading
import time

import pytest

from loop_kit.adapters.process.pipes import ShortQueue

TRIES = 3_000


def test_it_takes_no_more_than_its_size_until_something_is_taken() -> None:
    queue = ShortQueue[int](2)

    assert [queue.put(n, timeout=0.01) for n in range(3)] == [True, True, False]
    assert queue.get() == 0
    assert queue.put(3, timeout=0.01)
    assert [queue.get(0.01) for _ in range(3)] == [1, 3, None]


def take_until_interrupted(queue: ShortQueue[int], seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    while True:
        queue.get(0.001)


def test_an_interrupt_at_any_point_leaves_it_usable() -> None:
    queue = ShortQueue[int](64)
    stop = threading.Event()

    def feed() -> None:
        while not stop.is_set():
            queue.put(1, timeout=0.01)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    feeder = threading.Thread(target=feed, daemon=True)
    before = signal.signal(signal.SIGALRM, interrupt)
    draw = random.Random(1)
    try:
        feeder.start()
        for _ in range(TRIES):
            with pytest.raises(KeyboardInterrupt):
                take_until_interrupted(queue, draw.uniform(1e-6, 2e-4))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        stop.set()
        feeder.join(timeout=20)

    assert not feeder.is_alive()
    deadline = time.monotonic() + 20
    while queue.get(0.01) is not None:
        assert time.monotonic() < deadline
    assert queue.put(7, timeout=1)
    assert queue.get(1) == 7
