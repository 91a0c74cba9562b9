"""The parent's end: a side of the benchmark in a process of its own, asked one question after the other."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any, Self

from engines.benchmark.took import Loaded, Made
from engines.errors import EaselError, InternalError
from engines.records import ModelRecord
from engines.types import GenerationRequest

EASEL, PLAIN = "easel", "plain"
SCRIPT = Path(__file__).resolve().parent / "script.py"


class BenchmarkSide:
    """One side, "easel" or "plain", with the threads that the environment says for both, in a folder of its own.

    A context manager that ends the process.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        from engines.benchmark import child

        context, own = multiprocessing.get_context("spawn"), Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=folder))
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=child.main, args=(theirs, kind, own), name=f"benchmark-{kind}")
        self._process.start()
        theirs.close()

    def load(self, record: ModelRecord) -> Loaded:
        """Load the model, and what it took."""
        return self._ask("load", record)

    def picture(self, request: GenerationRequest) -> Made:
        """Make a picture, and what it took."""
        return self._ask("picture", request)

    def switch_back(self, record: ModelRecord) -> Made:
        """Easel's side alone: what going back to a model takes that was used before another one."""
        return self._ask("switch_back", record)

    def lora_weights(self, request: GenerationRequest) -> list[Made]:
        """Easel's side alone: the picture with a LoRA, made for the model on the spot, at several weights."""
        return self._ask("lora_weights", request)

    def script(self, request: GenerationRequest) -> dict[str, Any] | None:
        """The plain side alone: what `engines.benchmark.script` is given for the request; None where it cannot do it."""
        return self._ask("script", request)

    def close(self) -> None:
        """End the process and give its memory back."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _ask(self, what: str, given: object) -> Any:
        try:
            self._pipe.send((what, given))
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise InternalError("internal", what="a process of the benchmark ended before it answered") from error
        if isinstance(answer, EaselError):
            raise answer
        return answer
