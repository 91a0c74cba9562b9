"""The hashes of the weight files that a job uses: what is known at once, what is small within moments, the rest later."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from app.model_files import weight_files
from app.models import ModelStore
from engines.api import EaselError, GenerationRequest, Kind, ModelRecord, family

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds that a job waits for them at most
SMALL = 1_000_000_000  # bytes: more take longer than a picture should wait, and are known the next time
LORA = re.compile(r"<lora:([^:<>]+)")


class WeightHashes:
    """Computes in the background what is not known yet, one model at a time; each file once, as long as it is the same."""

    def __init__(self, models: ModelStore) -> None:
        self._models = models
        self._lock = threading.Lock()
        self._working: dict[str, threading.Event] = {}
        self._ended = threading.Event()

    def of(
        self, record: ModelRecord, request: GenerationRequest | None = None, wait: float = PATIENCE
    ) -> dict[str, str]:
        """sha256 by file name below the model, and "lora:name" for the LoRAs that the prompt names; known ones alone."""
        files = model_weights(record)
        loras = self._loras(request) if request is not None else {}
        paths = [*files.values(), *loras.values()]
        unknown = [path for path in paths if path.is_file() and not self._models.known_hashes(path).sha256]
        if unknown:
            done = self._begin(record.id, unknown)
            if sum(path.stat().st_size for path in unknown) <= SMALL:
                done.wait(wait)
        return self._known(files, loras)

    def now(self, record: ModelRecord) -> dict[str, str]:
        """All of them, however long it takes. Raises `UserError("model-unreadable")`."""
        return {name: self._models.hashes(path).sha256 for name, path in model_weights(record).items()}

    def close(self) -> None:
        """Let the work in the background come to its end at the next file."""
        self._ended.set()

    def _known(self, files: Mapping[str, Path], loras: Mapping[str, Path]) -> dict[str, str]:
        found = {name: self._models.known_hashes(path).sha256 for name, path in files.items()}
        found |= {f"lora:{name}": self._models.known_hashes(path).lora_hash for name, path in loras.items()}
        return {name: value for name, value in found.items() if value}

    def _begin(self, model: str, paths: list[Path]) -> threading.Event:
        with self._lock:
            done = self._working.get(model)
            if done is None:
                done = self._working[model] = threading.Event()
                work = threading.Thread(target=self._work, args=(model, paths, done), name="hashes", daemon=True)
                work.start()
        return done

    def _work(self, model: str, paths: list[Path], done: threading.Event) -> None:
        try:
            for path in paths:
                if not self._ended.is_set():
                    self._models.hashes(path)
        except EaselError:
            log.info("a weight file cannot be read model=%s", model)
        finally:
            done.set()
            with self._lock:
                self._working.pop(model, None)

    def _loras(self, request: GenerationRequest) -> dict[str, Path]:
        names = dict.fromkeys(LORA.findall(request.prompt))
        if not names:
            return {}
        by_name = {file.path.stem: file.path for file in self._models.files(Kind.LORA)}
        return {name: by_name[name] for name in names if name in by_name}


def model_weights(record: ModelRecord) -> dict[str, Path]:
    """Each weight file of the model by its name below the model's folder, or by the name of a single file."""
    if record.path.is_file():
        found = {record.path.name: record.path}
    else:
        files = weight_files(record.path, family(record.family).parts)
        found = {path.relative_to(record.path).as_posix(): path for path in files}
    for part, path in record.sources.items():
        if path.is_file() and path.suffix == ".safetensors":
            found[f"{part}/{path.name}"] = path
    return found
