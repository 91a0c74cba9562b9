"""The child that opens a pickle: limits first, then torch's own loader that calls nothing, then safetensors."""

from __future__ import annotations

import json
import re
import signal
import sys
import zipfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LIBRARIES = 3 * 2**30  # bytes of memory that torch and Python themselves may have, on a machine with a graphics card
FILES_MOST = 256  # open at once
ENTRIES_MOST = 200_000
INDEX_MOST = 2**26  # bytes of the pickle inside an archive, which holds names and shapes and no weights
ATTEMPTS = 40
# Things beside the weights that trainers leave in their checkpoints. They come in as empty objects and are left out.
HARMLESS = (
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "omegaconf.",
    "numpy.",
    "collections.",
    "typing.",
    "ldm.",
)
WANTED = re.compile(r"GLOBAL ([\w.]+)|Unsupported class ([\w.]+)")
# The dictionaries inside which trainers put the weights, the smoothed ones first.
WRAPPERS = ("params_ema", "state_dict", "params", "model", "module", "net", "weights")


class Refused(Exception):
    """Ends the conversion with an error's code and its numbers."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.answer = {"code": code, **values}


class Left:
    """Stands for an object that is not wanted: takes anything, does nothing."""

    def __new__(cls, *_args: object, **_values: object) -> Left:
        return super().__new__(cls)

    def __init__(self, *_args: object, **_values: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def main(pipe: Connection, source: Path, part: Path, limits: tuple[int, int, int]) -> None:
    """Convert, and answer in JSON: `tensors` and `left_out`, or the `code` of an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    try:
        answer = _convert(source, part, limits)
    except Refused as refused:
        answer = refused.answer
    except MemoryError:
        answer = {"code": "convert-too-large", "limit": f"{limits[0] / 2**30:.1f} GiB"}
    except Exception as error:  # a hostile file can make the libraries raise anything
        answer = _answer_for(error, limits)
    pipe.send_bytes(json.dumps(answer).encode())
    pipe.close()


def _answer_for(error: Exception, limits: tuple[int, int, int]) -> dict[str, object]:
    text = str(error).strip().split("\n", 1)[0][:300]
    if "memory" in text.lower() or "allocate" in text.lower():
        return {"code": "convert-too-large", "limit": f"{limits[0] / 2**30:.1f} GiB"}
    return {"code": "convert-failed", "why": text or type(error).__name__}


def _convert(source: Path, part: Path, limits: tuple[int, int, int]) -> dict[str, object]:
    archive = zipfile.is_zipfile(source)
    if archive:
        check_archive(source)
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    limit(*limits)
    content, left_out = _load(source, archive)
    tensors = weights_of(content)
    if not tensors:
        raise Refused("convert-no-weights")
    save_file({name: _plain(tensor) for name, tensor in tensors.items()}, part, {"format": "pt"})
    with part.open("rb+") as file:
        _sync(file)
    return {"tensors": len(tensors), "left_out": sorted(left_out)}


def limit(memory: int, seconds: int, size: int) -> None:
    """Take the rights of this process away, where the system can: more memory, time and files than honest work needs."""
    if sys.platform == "win32":
        return  # there the parent watches memory and time
    import resource
    import time

    import psutil

    _cap(resource.RLIMIT_AS, psutil.Process().memory_info().vms + memory)
    _cap(resource.RLIMIT_CPU, seconds + int(time.process_time()))
    _cap(resource.RLIMIT_FSIZE, size)
    _cap(resource.RLIMIT_NOFILE, FILES_MOST)
    _cap(resource.RLIMIT_CORE, 0)


def _cap(kind: int, most: int) -> None:
    import resource

    _soft, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def check_archive(source: Path) -> None:
    """An archive of torch's own making is stored and not packed: what unpacks to more than the file is none."""
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    whole = sum(entry.file_size for entry in entries)
    index = max((entry.file_size for entry in entries if entry.filename.endswith(".pkl")), default=0)
    if packed or len(entries) > ENTRIES_MOST or whole > source.stat().st_size or index > INDEX_MOST:
        raise Refused("convert-bomb", entries=len(entries), bytes=whole)


def _load(source: Path, archive: bool) -> tuple[Any, set[str]]:
    """The content, with harmless leftovers of trainers replaced by nothing; the names of those."""
    import torch

    left_out: set[str] = set()
    for _ in range(ATTEMPTS):
        stand_ins: list[Any] = [(Left, name) for name in left_out]
        with torch.serialization.safe_globals(stand_ins):
            try:
                return torch.load(source, map_location="cpu", weights_only=True, mmap=archive), left_out
            except Exception as error:
                name = wanted(str(error))
                if name is None or name in left_out:
                    raise
                if not name.startswith(HARMLESS):
                    raise Refused("convert-wants-code", what=name) from error
                left_out.add(name)
    raise Refused("convert-wants-code", what=", ".join(sorted(left_out)))


def wanted(message: str) -> str | None:
    """The name of what a pickle wants to have imported, out of torch's refusal."""
    found = WANTED.search(message)
    return (found[1] or found[2]) if found else None


def weights_of(content: Any) -> dict[str, Any]:
    """The tensors by name, out of the dictionaries that trainers wrap around them."""
    import torch

    if not isinstance(content, Mapping):
        return {}
    for name in WRAPPERS:
        inside = weights_of(content.get(name))
        if inside:
            return inside
    if isinstance(words := content.get("string_to_param"), Mapping):  # a textual inversion
        found = [tensor for tensor in words.values() if isinstance(tensor, torch.Tensor)]
        return {"emb_params": found[0]} if found else {}
    return {str(name): each for name, each in content.items() if isinstance(each, torch.Tensor)}


def _plain(tensor: Any) -> Any:
    """A tensor with memory of its own, as safetensors wants it."""
    return tensor.detach().contiguous().clone()


def _sync(file: Any) -> None:
    import os

    os.fsync(file.fileno())
