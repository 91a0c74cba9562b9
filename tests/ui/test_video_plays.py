"""Each family's video in a browser: it plays to its end, with the frames, the speed and the sound that it should have."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from engines.media import read_metadata
from engines.types import Task, VideoFormat
from tests.engines.conftest import VIDEO
from tests.engines.test_video_engine import Studio, frames_of, name_of

pytestmark = pytest.mark.long
WATCH = """async (video) => {
  video.muted = true;
  video.playbackRate = 0.25;  // so that no frame is left out for want of time
  await video.play();
  await new Promise((ended, failed) => { video.onended = ended; video.onerror = () => failed(video.error.message); });
  return {
    width: video.videoWidth, height: video.videoHeight, seconds: video.duration,
    frames: video.getVideoPlaybackQuality().totalVideoFrames, sound: video.webkitAudioDecodedByteCount,
  };
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("plays"))


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


def watched(page: Page, path: Path) -> dict[str, Any]:
    data = base64.b64encode(path.read_bytes()).decode()
    page.set_content(f'<video src="data:video/webm;base64,{data}"></video>')
    return page.locator("video").evaluate(WATCH)


CASES = [(key, family.tasks[0], VideoFormat.WEBM) for key, family in VIDEO.items()]
CASES += [("ltx-conditions", Task.EXTEND_VIDEO, VideoFormat.WEBM), ("ltx2", Task.TEXT_TO_VIDEO, VideoFormat.WEBM_AV1)]


@pytest.mark.parametrize(("key", "task", "kind"), CASES)
def test_a_browser_plays_every_frame(studio: Studio, page: Page, key: str, task: Task, kind: VideoFormat) -> None:
    request = studio.request(key, task, video_format=kind)
    path = studio.make(request, studio.context(name_of(key, task, str(kind))))
    seen, frames = watched(page, path), frames_of(request)
    assert (seen["width"], seen["height"], seen["frames"]) == (request.width, request.height, frames)
    assert seen["seconds"] == pytest.approx(frames / request.fps, abs=0.1)
    assert (seen["sound"] > 0) == VIDEO[key].video.sound  # pyright: ignore
    assert read_metadata(path).request == request
