"""The worker killed while a video is written: what was written plays, nothing is sampled again, the end is the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.errors import ResourceError
from engines.interface import RunContext
from engines.media.video_read import video_facts
from engines.records import ModelRecord
from engines.types import GenerationRequest, Progress, Stage, Task
from engines.worker.host import WorkerEngine

from .conftest import VIDEO, tiny_record
from .test_video_engine import inputs_in

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")
QUICK = [("wan", Task.TEXT_TO_VIDEO)]
ALL = [(key, task) for key, family in VIDEO.items() for task in family.tasks]
MOST_FRAMES = 65  # of what is made here: enough for several chunks of every decoder
CHUNK = 8  # frames that are written at least before a kill; the very first ones wait for their cluster to be full


class Room:
    """A worker, models that are made when they are first asked for, and a folder for each run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.worker = folder, WorkerEngine(folder / "engine.log")
        self.inputs = inputs_in(folder, MOST_FRAMES)
        self._records: dict[str, ModelRecord] = {}

    def record(self, key: str) -> ModelRecord:
        from engines.tiny import make_tiny_model

        if key not in self._records:
            self._records[key] = tiny_record(VIDEO[key], make_tiny_model(VIDEO[key], self.folder / key))
        return self._records[key]

    def request(self, key: str, task: Task) -> GenerationRequest:
        family = VIDEO[key]
        assert family.video is not None
        frames = family.video.nearest(min(MOST_FRAMES, family.video.max_frames))[0]
        size = {"width": family.tiny.width, "height": family.tiny.height}
        values = {**family.defaults, **size, "steps": 2, "seed": 7, "task": task, "model": key, "frames": frames}
        if family.video.last_image and task.needs_image:
            values["last_image"] = "x"
        return GenerationRequest.model_validate({**values, "prompt": "a red apple"})

    def make(self, request: GenerationRequest, name: str, on_progress: Callable[[Progress], None]) -> Path:
        staging = self.folder / "runs" / name
        staging.mkdir(parents=True, exist_ok=True)
        ctx = RunContext(staging=staging, inputs=self.inputs, preview_every=0.0, on_progress=on_progress)
        self.worker.load(self.record(request.model), ctx)
        return self.worker.generate(request, ctx).artifacts[0].path

    def kill_after(self, frames: int) -> Callable[[Progress], None]:
        """Kills the worker when it says that so many frames are written."""

        def look(progress: Progress) -> None:
            if progress.stage is Stage.DECODE and progress.step >= frames and self.worker.pid:
                os.kill(self.worker.pid, signal.SIGKILL)

        return look


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = Room(tmp_path_factory.mktemp("kills"))
    yield room
    room.worker.unload()


def check(room: Room, key: str, task: Task, kills: int) -> None:
    request = room.request(key, task)
    whole = room.make(request, f"{key}-{task}-{kills}-whole", lambda _progress: None).read_bytes()
    name = f"{key}-{task}-{kills}-killed"
    for frames in range(CHUNK, (kills + 1) * CHUNK, CHUNK):
        with pytest.raises(ResourceError, match="SIGKILL"):
            room.make(request, name, room.kill_after(frames))
        (part,) = (room.folder / "runs" / name).glob("*.part.webm")
        assert video_facts(part).frames > 0, "what was written plays"
    seen: list[Progress] = []
    again = room.make(request, name, seen.append)
    assert again.read_bytes() == whole
    assert Stage.DENOISE not in {progress.stage for progress in seen}, "nothing is sampled again"
    assert {path.name for path in again.parent.iterdir()} == {again.name}


@pytest.mark.parametrize(("key", "task"), QUICK)
def test_killed_in_the_middle_of_a_decode_the_video_is_the_same(room: Room, key: str, task: Task) -> None:
    check(room, key, task, kills=1)


@pytest.mark.long
@pytest.mark.parametrize(("key", "task"), ALL)
def test_killed_twice_in_a_decode_every_family_s_video_is_the_same(room: Room, key: str, task: Task) -> None:
    check(room, key, task, kills=2)
