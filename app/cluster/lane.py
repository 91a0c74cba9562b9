"""The orchestrator's side: a lane whose engine is on a node of a Ray cluster, and is got anew when the node is lost."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import replace
from typing import Any

from app import __version__
from app.cluster.messages import Made, News, Over, Work
from app.cluster.node import Node
from engines.api import (
    GenerationRequest,
    GenerationResult,
    InternalError,
    ModelRecord,
    Progress,
    ResourceError,
    RunContext,
)

log = logging.getLogger(__name__)

ASKED_EVERY = 0.2  # seconds that a node waits for news before it answers that there is none
ROOM_WAIT = 1.0  # seconds that a look for a free node takes at most
GOODBYE = 5.0  # seconds that a node is given to tidy up
PATIENCE = 60.0  # seconds without any node after which waiting is given up


class RayLane:
    """One engine's place in the cluster. See `app.engine_pool.Lane` for what the orchestrator asks of it."""

    def __init__(self, ray: Any, options: dict[str, Any], patience: float = PATIENCE) -> None:
        """`ray` is the connected library, `options` what an actor needs of a node: a card, or a processor."""
        self._ray, self._patience = ray, patience
        self._actor = ray.remote(max_restarts=0, scheduling_strategy="SPREAD", **options)(Node)
        self._node: Any = None
        self._hello: Any = None
        self._greeted = False
        self._without_since = time.monotonic()

    @property
    def held_memory(self) -> int:
        """None of this computer's."""
        return 0

    def ready(self) -> bool:
        """Whether a node is there; looks for one otherwise. Raises `ResourceError` when it is no use to go on looking."""
        if self._greeted:
            return True
        try:
            if self._node is None:
                self._node = self._actor.remote()
                self._hello = self._node.hello.remote()
            if self._ray.wait([self._hello], timeout=ROOM_WAIT)[0]:
                self._greet(self._ray.get(self._hello))
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            log.info("a node was lost before it was of use why=%s", _first_line(error))
            self._forget()
        if not self._greeted and time.monotonic() - self._without_since > self._patience:
            raise ResourceError("ray-no-room", seconds=round(self._patience))
        return self._greeted

    def run(self, record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> GenerationResult:
        """See `EnginePool.run`. Raises `ResourceError("lane-lost")` when the node is gone: the job can be done elsewhere."""
        try:
            self._ray.get(self._node.begin.remote(_work(record, request, ctx)))
            return self._followed(ctx)
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            log.warning("a node was lost why=%s", _first_line(error))
            self._forget()
            raise ResourceError("lane-lost", why=_first_line(error)) from error

    def warm_up(self) -> None:
        """Nodes get ready when they are given work."""

    def unload(self) -> None:
        """Give the node's memory back."""
        if self._greeted:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(self._node.unload.remote(), timeout=GOODBYE)

    def close(self) -> None:
        """Give the node back to the cluster."""
        if self._greeted:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(self._node.close.remote(), timeout=GOODBYE)
        self._forget()

    def _greet(self, hello: Any) -> None:
        if hello.version != __version__:
            raise ResourceError("ray-other-version", node=hello.host, theirs=hello.version, ours=__version__)
        self._greeted = True
        log.info("a lane on node=%s", hello.host)

    def _followed(self, ctx: RunContext) -> GenerationResult:
        stopping = False
        while True:
            if ctx.token.cancelled and not stopping:
                stopping = True
                self._ray.get(self._node.cancel.remote())
            for each in self._ray.get(self._node.news.remote(ASKED_EVERY)):
                if (result := _told(each, ctx)) is not None:
                    return result

    def _forget(self) -> None:
        """The node is of no more use; another is looked for."""
        if self._greeted:  # one that never answered does not begin the wait anew: it would have no end
            self._without_since = time.monotonic()
        node, self._node, self._hello, self._greeted = self._node, None, None, False
        if node is not None:
            with contextlib.suppress(Exception):  # it may be gone, and so may the cluster
                self._ray.kill(node)


def _told(news: News, ctx: RunContext) -> GenerationResult | None:
    """Pass it on; the result when it is the last. Raises the job's error."""
    match news:
        case Progress():
            ctx.on_progress(news)
        case Made(artifact, content, beside):
            path = ctx.staging / artifact.path.name
            for suffix, data in beside.items():
                path.with_suffix(suffix).write_bytes(data)
            path.write_bytes(content)
            ctx.on_artifact(replace(artifact, path=path))
        case Over(result, error):
            if error is not None:
                raise error
            if result is None:
                raise InternalError("internal", what="a node finished without a result")
            return result
    return None


def _work(record: ModelRecord, request: GenerationRequest, ctx: RunContext) -> Work:
    inputs = {name: (path.suffix, path.read_bytes()) for name, path in ctx.inputs.items()}
    return Work(record, request, inputs, dict(ctx.files), ctx.first_image, ctx.with_metadata)


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
