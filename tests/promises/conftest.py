"""What the promises' tests share. Each records its figure, and `tools/prove_promises.py` makes the docs' table of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.paths import Paths
from app.services import Services
from engines.api import GenerationRequest

RECORD = "EASEL_PROMISES"  # the file that figures go to, one JSON object a line


@pytest.fixture
def promised() -> Callable[[str, str], None]:
    """Writes down what was measured: `promised("50 jobs from 8 clients", "50 of 50")`."""

    def write(promise: str, figure: str) -> None:
        print(f"{promise}: {figure}")
        if path := os.environ.get(RECORD):
            test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
            line = json.dumps({"promise": promise, "figure": figure, "test": test}, ensure_ascii=False)
            with Path(path).open("a", encoding="utf-8") as record:
                record.write(f"{line}\n")

    return write


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def services(home: Path) -> Iterator[Services]:
    with build_services(Paths.below(home)) as built:
        yield built


def wish(**fields: object) -> GenerationRequest:
    """A small request for the starter model."""
    values = {
        "model": "starter",
        "prompt": "a red apple",
        "width": 64,
        "height": 64,
        "steps": 6,
        "guidance": 3.5,
        "sampler": "DPM++ 2M",
        "scheduler": "Simple",
        "seed": 3,
        **fields,
    }
    return GenerationRequest.model_validate(values)
