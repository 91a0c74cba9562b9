"""The node's side: an actor that holds an engine, in a process of its own as everywhere, and tells how its job goes."""

from __future__ import annotations

import logging
import platform
import queue
import shutil
import tempfile
import threading
from pathlib import Path

from app import __version__
from app.cluster.messages import Hello, Made, News, Over, Work
from app.models import ModelStore
from app.paths import STARTER, Paths
from engines.api import (
    Artifact,
    CancelToken,
    EaselError,
    GenerationResult,
    InternalError,
    ModelRecord,
    Progress,
    RunContext,
    UserError,
    WorkerEngine,
)

log = logging.getLogger(__name__)

SIDECARS = (".txt", ".json")


class Node:
    """One engine. Its methods answer at once, or within the seconds that `news` is given: it is asked, it does not call."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="easel-node-"))
        self._engine = WorkerEngine(self._folder / "engine.log")
        self._news: queue.Queue[News] = queue.Queue()
        self._token = CancelToken()

    def hello(self) -> Hello:
        """Who answers."""
        return Hello(platform.node(), __version__)

    def begin(self, work: Work) -> None:
        """Start a job; what becomes of it is in `news`. One that still runs was left by its lane, and is stopped."""
        self._token.cancel()
        self._news, self._token = queue.Queue(), CancelToken()
        threading.Thread(target=self._run, args=(work, self._news, self._token), name="job", daemon=True).start()

    def news(self, wait: float) -> list[News]:
        """What happened since the last time; waits at most `wait` seconds for the first of it."""
        found: list[News] = []
        try:
            found.append(self._news.get(timeout=wait))
            while True:
                found.append(self._news.get_nowait())
        except queue.Empty:
            return found

    def cancel(self) -> None:
        """Stop the job; its end is in `news`."""
        self._token.cancel()

    def warm_up(self) -> None:
        """Let the engine load its libraries."""
        self._engine.warm_up()

    def unload(self) -> None:
        """Give the memory back."""
        self._engine.unload()

    def close(self) -> None:
        """Give everything back."""
        self._engine.unload()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, work: Work, news: queue.Queue[News], token: CancelToken) -> None:
        try:
            news.put(Over(self._result(work, news, token)))
        except EaselError as error:
            news.put(Over(error=error))
        except Exception as error:  # the border of the node: a bug becomes a message, not a silence
            log.exception("a job failed")
            news.put(Over(error=InternalError("internal", what=f"{type(error).__name__}: {error}")))

    def _result(self, work: Work, news: queue.Queue[News], token: CancelToken) -> GenerationResult:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            ctx = RunContext(
                staging=Path(folder),
                inputs=_written(work, Path(folder)),
                files={name: _there(path) for name, path in work.files.items()},
                token=token,
                on_progress=lambda progress: news.put(_sent(progress)),
                on_artifact=lambda artifact: news.put(_made(artifact)),
                first_image=work.first_image,
                preview_every=0.0,
                with_metadata=work.with_metadata,
            )
            if work.request.needs_model:
                self._engine.load(here(work.record), ctx)
            return self._engine.generate(work.request, ctx)


def here(record: ModelRecord) -> ModelRecord:
    """The model as this node has it: at the same path, or the same files elsewhere. Raises `UserError("ray-no-model")`."""
    if record.path.exists():
        return record
    paths = Paths.default()
    own = ModelStore((STARTER, paths.models), own=paths.models)
    same = [each for each in own.all() if record.fingerprint and each.fingerprint == record.fingerprint]
    if not same:
        raise UserError("ray-no-model", model=record.title, path=str(record.path), node=platform.node())
    return same[0]


def _there(path: Path) -> Path:
    if not path.exists():
        raise UserError("ray-no-model", model=path.stem, path=str(path), node=platform.node())
    return path


def _written(work: Work, folder: Path) -> dict[str, Path]:
    inputs = {}
    for number, (name, (suffix, content)) in enumerate(work.inputs.items()):
        inputs[name] = folder / f"input-{number}{suffix}"
        inputs[name].write_bytes(content)
    return inputs


def _sent(progress: Progress) -> Progress:
    """A preview is a file of this node; it does not go along."""
    return Progress(**{**vars(progress), "preview": None})


def _made(artifact: Artifact) -> Made:
    paths = {suffix: artifact.path.with_suffix(suffix) for suffix in SIDECARS}
    beside = {suffix: path.read_bytes() for suffix, path in paths.items() if path.is_file()}
    return Made(artifact, artifact.path.read_bytes(), beside)
