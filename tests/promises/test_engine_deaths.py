"""A dead engine is a sentence: signals at random moments, and the next job runs."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from app.events import Event
from app.jobs import Interrupted, Job, Succeeded
from app.services import Services
from engines.api import Stage
from tests.promises.conftest import wish

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600), pytest.mark.skipif(os.name == "nt", reason="signals")]

SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL)
DEATHS = int(os.environ.get("EASEL_DEATHS", "30"))


def engine_pid(services: Services) -> int | None:
    return services.orchestrator.dispatcher.lanes[0]._engine.pid  # pyright: ignore


def die(services: Services, number: int, stage: Stage, delay: float) -> Job:
    """Submit a job and send the signal to the engine `delay` seconds after it reports `stage`."""
    reached = threading.Event()

    def look(event: Event) -> None:
        if event.progress is not None and event.progress.stage is stage:
            reached.set()

    forget = services.orchestrator.subscribe(look)
    job = services.orchestrator.submit(wish(steps=60, count=3), services.models.get("starter"))
    assert reached.wait(120)
    time.sleep(delay)
    if (pid := engine_pid(services)) is not None:
        os.kill(pid, number)
    done = services.orchestrator.wait(job.id, 120)
    forget()
    return done


def test_thirty_deaths_are_thirty_sentences(services: Services, promised: Callable[[str, str], None]) -> None:
    chance = random.Random(3)
    slowest = 0.0
    told = 0
    for turn in range(DEATHS):
        number = SIGNALS[turn % len(SIGNALS)]
        stage = chance.choice((Stage.LOAD, Stage.ENCODE, Stage.DENOISE, Stage.DECODE, Stage.SAVE))
        if stage is Stage.LOAD:
            services.orchestrator.dispatcher.lanes[0].close()  # pyright: ignore
        job = die(services, number, stage, chance.uniform(0, 0.05))
        assert isinstance(job.state, Interrupted), job.state
        assert job.state.error.code == "engine-died"
        assert number.name in job.state.error.cause
        told += 1
        started = time.monotonic()
        after = services.orchestrator.submit(wish(seed=turn), services.models.get("starter"))
        assert isinstance(services.orchestrator.wait(after.id, 120).state, Succeeded)
        slowest = max(slowest, time.monotonic() - started)
    promised(
        "a dead engine is a sentence", f"{told} of {DEATHS} named; the next picture was there within {slowest:.1f} s"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory is Linux's")
def test_an_engine_over_its_memory_limit_is_a_sentence(
    services: Services, promised: Callable[[str, str], None]
) -> None:
    import resource

    first = services.orchestrator.submit(wish(), services.models.get("starter"))
    services.orchestrator.wait(first.id, 120)
    pid = engine_pid(services)
    assert pid is not None
    resource.prlimit(pid, resource.RLIMIT_AS, (1_000_000, 1_000_000))
    large = wish(seed=9, width=512, height=512, steps=2)  # what is there already is enough for a small one
    job = services.orchestrator.submit(large, services.models.get("starter"))
    done = services.orchestrator.wait(job.id, 120)
    assert not isinstance(done.state, Succeeded)
    error = getattr(done.state, "error", None)
    assert error is not None and error.code in ("out-of-memory", "engine-died"), error
    if engine_pid(services) == pid:
        services.orchestrator.dispatcher.lanes[0].close()  # pyright: ignore
    again = services.orchestrator.resume(job.id)
    assert isinstance(services.orchestrator.wait(again.id, 120).state, Succeeded)
    promised("an engine over its memory limit is a sentence", f"told as {error.code}; the job went on afterwards")
