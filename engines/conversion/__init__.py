"""From a pickle to safetensors: the pickle is opened in a child of its own, with little memory, little time and no say.

`torch.load(weights_only=True)` stops code and not memory: a file of some kilobytes can ask for gigabytes. So the child has
limits by the size of its file, is watched, and is asked for an answer in JSON: nothing that it sends is unpickled here.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from engines.conversion import child
from engines.errors import UserError
from engines.identify.files import plain_file, sniff

GIB = 2**30
WATCH = 0.1  # seconds between two looks at the child
START = 120  # seconds that the libraries may take to be imported, on a busy machine
ANSWER_MOST = 100_000  # bytes


@dataclass(frozen=True)
class Limits:
    """What the child may use: bytes beyond what its libraries take, seconds of processor time, bytes of file."""

    memory: int
    seconds: int
    file: int

    @classmethod
    def for_size(cls, size: int) -> Limits:
        """Enough for honest files: the weights once from the file and once as a copy, at a slow disk's pace."""
        return cls(memory=3 * size + GIB, seconds=60 + size // 10_000_000, file=2 * size + 2**24)


@dataclass(frozen=True)
class Converted:
    """What came of it: the new file, its number of tensors, and what of the old one was left out, by kind."""

    path: Path
    tensors: int
    left_out: tuple[str, ...]


def convert(
    source: Path, target: Path, limits: Limits | None = None, check: Callable[[], None] = lambda: None
) -> Converted:
    """Write the weights of the pickle `source` to `target`, whole or not at all. `check` may raise `Cancelled`.

    Raises `UserError` for what is no pickle, for one that wants code, that asks for more than its size allows, or that
    holds no weights; and where `target` exists.
    """
    with plain_file(source) as (_file, size):
        limits = limits or Limits.for_size(size)
    if sniff(source) != "pickle":
        raise UserError("convert-not-a-pickle", model=source.name, format=sniff(source))
    if target.exists():
        raise UserError("convert-exists", file=str(target))
    part = target.with_name(f".{target.name}.part")
    try:
        answer = _ask(source, part, limits, check)
        part.replace(target)
    except OSError as error:
        raise UserError("convert-failed", model=source.name, why=error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return Converted(target, int(answer["tensors"]), tuple(map(str, answer["left_out"])))


def _ask(source: Path, part: Path, limits: Limits, check: Callable[[], None]) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    values = (limits.memory, limits.seconds, limits.file)
    process = context.Process(target=child.main, args=(theirs, source, part, values), name="easel-conversion")
    process.start()
    theirs.close()
    try:
        answer = _wait(process, ours, limits, check, source.name)
    finally:
        process.kill()
        process.join()
        ours.close()
    if "code" in answer:
        raise UserError(str(answer.pop("code")), **{"model": source.name, **answer})
    return answer


def _wait(
    process: BaseProcess, pipe: Connection, limits: Limits, check: Callable[[], None], name: str
) -> dict[str, Any]:
    deadline = time.monotonic() + START + 4 * limits.seconds  # by the wall's clock, where the system counts no other
    while not pipe.poll(WATCH):
        check()
        if _memory(process) > limits.memory + child.LIBRARIES:
            raise UserError("convert-too-large", model=name, limit=_gigabytes(limits.memory))
        if time.monotonic() > deadline:
            raise UserError("convert-too-slow", model=name, seconds=limits.seconds)
    try:
        return json.loads(pipe.recv_bytes(ANSWER_MOST))
    except (EOFError, OSError, ValueError) as error:
        process.join(5)
        raise _death(process.exitcode, limits, name) from error


def _death(exitcode: int | None, limits: Limits, name: str) -> UserError:
    if exitcode == -getattr(signal, "SIGXCPU", 0):
        return UserError("convert-too-slow", model=name, seconds=limits.seconds)
    if exitcode in (-getattr(signal, "SIGKILL", 0), -getattr(signal, "SIGABRT", 0)):
        return UserError("convert-too-large", model=name, limit=_gigabytes(limits.memory))
    return UserError("convert-failed", model=name, why=f"the process that opened it ended with {exitcode}")


def _memory(process: BaseProcess) -> int:
    import psutil

    try:
        return psutil.Process(process.pid).memory_info().rss
    except psutil.Error:
        return 0


def _gigabytes(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
