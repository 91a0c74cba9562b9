"""Stop stops, in every stage: seen at once, over within a step and a second, and the next job runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from app.events import Event
from app.jobs import Cancelled, Succeeded
from app.services import Services
from engines.api import Stage
from tests.promises.conftest import wish

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("stage", list(Stage))
def test_stop_in_every_stage(services: Services, promised: Callable[[str, str], None], stage: Stage) -> None:
    orchestrator = services.orchestrator
    reached = threading.Event()

    def look(event: Event) -> None:
        if event.progress is not None and event.progress.stage is stage:
            reached.set()

    forget = orchestrator.subscribe(look)
    if stage is not Stage.LOAD:  # a resident model, so that the other stages come soon
        warm = orchestrator.submit(wish(), services.models.get("starter"))
        orchestrator.wait(warm.id, 120)
        reached.clear()
    job = orchestrator.submit(wish(steps=40, count=30), services.models.get("starter"))
    assert reached.wait(120)
    started = time.monotonic()
    orchestrator.cancel(job.id)
    done = orchestrator.wait(job.id, 60)
    seconds = time.monotonic() - started
    forget()
    assert isinstance(done.state, Cancelled)
    assert seconds < 2.0
    after = orchestrator.submit(wish(seed=8), services.models.get("starter"))
    assert isinstance(orchestrator.wait(after.id, 120).state, Succeeded)
    promised(f"Stop stops while the job is in {stage}", f"over after {seconds:.2f} s")
