"""A program that the kill loop kills: takes up what was broken off, accepts new wishes, says what it accepted.

Called with the data folder and the number of wishes in all. Prints "accepted ID" when `submit` has returned, and "done"
when nothing is left.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.bootstrap import build_services
from app.paths import Paths
from app.services import Services
from tests.promises.conftest import wish


def main() -> None:
    """Run until everything is made, or somebody kills this process."""
    home, wishes = Path(sys.argv[1]), int(sys.argv[2])
    with build_services(Paths.below(home)) as services:
        jobs = services.orchestrator.ledger.latest(10_000)
        services.orchestrator.take_up_queue(paused=False)
        for job in services.orchestrator.ledger.interrupted():
            services.orchestrator.resume(job.id)
        for number in range(len(jobs), wishes):
            accept(services, number)
        for job in services.orchestrator.ledger.latest(10_000):
            services.orchestrator.wait(job.id)
    print("done", flush=True)


def accept(services: Services, number: int) -> None:
    """One wish, of another seed and length each time; settings and presets are written in between."""
    request = wish(seed=number, steps=6 + number % 5, count=1 + number % 2)
    job = services.orchestrator.submit(request, services.models.get("starter"))
    print(f"accepted {job.id}", flush=True)
    services.change_settings(log_prompts=bool(number % 2))


if __name__ == "__main__":
    main()
