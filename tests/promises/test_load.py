"""Many clients, many jobs: each gets its own, in turn, and memory, files and threads stay as they are."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from app.jobs import Succeeded
from app.services import Services
from engines.api import read_metadata
from tests.promises.conftest import wish
from tests.promises.test_engine_deaths import engine_pid

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]

CLIENTS, JOBS = 8, 50
SOAK, SETTLED = 500, 50
SECONDS = float(os.environ.get("EASEL_SOAK_SECONDS", "inf"))  # a busy machine may stop earlier, and the figure says so


def test_fifty_jobs_from_eight_clients(services: Services, promised: Callable[[str, str], None]) -> None:
    order: list[int] = []
    failures: list[str] = []
    turn = iter(range(JOBS))
    lock = threading.Lock()

    def client(name: int) -> None:
        while True:
            with lock:
                number = next(turn, None)
            if number is None:
                return
            request = wish(prompt=f"client {name} wish {number}", seed=number)
            job = services.orchestrator.submit(request, services.models.get("starter"))
            done = services.orchestrator.wait(job.id, 600)
            with lock:
                order.append(name)
                own = isinstance(done.state, Succeeded) and read_metadata(done.files[0]).request
                if not own or own.prompt != request.prompt or own.seed != number:
                    failures.append(request.prompt)

    clients = [threading.Thread(target=client, args=(name,)) for name in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert failures == []
    shares = [order.count(name) for name in range(CLIENTS)]
    assert max(shares) - min(shares) <= 2, shares
    promised(
        "50 jobs from 8 clients", f"{len(order)} of {JOBS}, each client's own; {min(shares)} to {max(shares)} each"
    )


def test_five_hundred_jobs_in_a_row(services: Services, promised: Callable[[str, str], None]) -> None:
    shell = psutil.Process()
    memory: list[float] = []
    fixed: list[tuple[int, int]] = []
    begun = time.monotonic()
    for number in range(SOAK):
        if number > 2 * SETTLED and time.monotonic() - begun > SECONDS:
            break
        job = services.orchestrator.submit(wish(seed=number, prompt=f"wish {number}"), services.models.get("starter"))
        assert isinstance(services.orchestrator.wait(job.id, 120).state, Succeeded)
        worker = psutil.Process(engine_pid(services))
        memory.append(sum(each.memory_info().rss for each in (shell, worker)) / 1e6)
        fixed.append((shell.num_fds() + worker.num_fds(), shell.num_threads() + worker.num_threads()))
    slope = statistics.linear_regression(range(len(memory) - SETTLED), memory[SETTLED:]).slope
    files = fixed[-1][0] - fixed[SETTLED][0]
    threads = fixed[-1][1] - fixed[SETTLED][1]
    assert slope < 0.2
    assert files <= 2 and threads <= 2
    promised(
        "500 jobs in a row",
        f"{len(memory)} jobs: {slope:.3f} MB a job after the first {SETTLED}; files {files:+d}, threads {threads:+d}",
    )
