"""OpenAI's dialect, asked by its own SDK from PyPI."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from tests.app.http.conftest import Served

EXTRA: Any = {"steps": 4, "seed": 3}


@pytest.fixture(scope="module")
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{served.address}/v1", api_key="nobody asks", http_client=httpx.Client(trust_env=False)
    )


def file(colour: Any = "blue", mode: str = "RGB", size: tuple[int, int] = (64, 64)) -> tuple[str, bytes, str]:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return "a.png", buffer.getvalue(), "image/png"


def opened(found: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(found.b64_json)))


def test_models(client: openai.OpenAI) -> None:
    assert [each.id for each in client.models.list()] == ["starter", "starter-video"]
    assert client.models.retrieve("starter").owned_by == "easel"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nobody")
    assert (caught.value.code, caught.value.type) == ("model-unknown", "invalid_request_error")


def test_generate(client: openai.OpenAI) -> None:
    found = client.images.generate(prompt="a red apple", model="gpt-image-1", n=2, size="64x64", extra_body=EXTRA)
    assert found.data is not None
    assert [opened(each).size for each in found.data] == [(64, 64), (64, 64)]
    assert (found.size, found.output_format) == ("64x64", "png")
    assert opened(found.data[0]).info["parameters"].startswith("a red apple\nSteps: 4")
    jpeg = client.images.generate(prompt="a red apple", output_format="jpeg", extra_body=EXTRA)
    assert jpeg.data is not None
    assert opened(jpeg.data[0]).format == "JPEG"


def test_generate_by_address(client: openai.OpenAI) -> None:
    found = client.images.generate(prompt="a red apple", response_format="url", extra_body=EXTRA)
    assert found.data is not None and found.data[0].url is not None
    answer = httpx.get(found.data[0].url, trust_env=False)
    assert answer.content.startswith(b"\x89PNG")
    assert httpx.get(found.data[0].url.replace("/files/", "/files/0"), trust_env=False).status_code == 404


def test_generate_as_a_stream(client: openai.OpenAI) -> None:
    extra = {"steps": 100, "seed": 3}
    events = list(
        client.images.generate(prompt="a fox", stream=True, partial_images=2, size="256x256", extra_body=extra)
    )
    kinds = [event.type for event in events]
    assert kinds[-1] == "image_generation.completed"
    assert 1 <= kinds.count("image_generation.partial_image") <= 2
    partial, done = events[0], events[-1]
    assert partial.type == "image_generation.partial_image" and partial.partial_image_index == 0
    assert opened(partial).format == "PNG"
    assert done.type == "image_generation.completed" and done.usage.total_tokens == 0
    assert opened(done).size == (256, 256)


def test_edit_with_a_mask_repaints_where_it_is_clear(client: openai.OpenAI) -> None:
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (32, 0, 64, 64))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    sent = ("mask.png", buffer.getvalue(), "image/png")
    found = client.images.edit(image=file(), mask=sent, prompt="a cat", extra_body=EXTRA)
    assert found.data is not None
    picture = opened(found.data[0]).convert("RGB")
    assert picture.getpixel((4, 30)) == (0, 0, 255)
    assert picture.getpixel((60, 30)) != (0, 0, 255)


def test_edit_of_a_list_as_a_stream_and_a_variation(client: openai.OpenAI) -> None:
    events = list(client.images.edit(image=[file(), file("red")], prompt="a cat", stream=True, extra_body=EXTRA))
    assert events[-1].type == "image_edit.completed"
    varied = client.images.create_variation(image=file(), n=1, size="256x256")
    assert varied.data is not None
    assert opened(varied.data[0]).size == (256, 256)


def test_mistakes_are_the_callers_and_never_ours(client: openai.OpenAI, served: Served) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt="x", size="large")  # pyright: ignore
    assert caught.value.code == "api-value"
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt="x", n=99)
    assert caught.value.param == "n"
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="x", model="nobody")
    with pytest.raises(openai.BadRequestError):
        client.images.edit(image=("a.png", b"no picture", "image/png"), prompt="x")
    with pytest.raises(openai.BadRequestError):
        client.images.generate(prompt="x", size="90000x64")  # pyright: ignore
    lost = served.http.post("/v1/chat/completions", json={})
    assert (lost.status_code, lost.json()["error"]["type"]) == (404, "invalid_request_error")


def test_videos(client: openai.OpenAI) -> None:
    """The starter for videos makes none of this size, which is said; the door itself is there."""
    assert list(client.videos.list()) == []
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("video_0123456789ab")
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(prompt="a walking cat", seconds="4", size="720x1280")
    assert "1280" in caught.value.message
    with pytest.raises(openai.NotFoundError):
        client.videos.delete("video_0123456789ab")
    with pytest.raises(openai.NotFoundError):
        client.videos.download_content("video_0123456789ab")


def test_open_webui_and_librechat_bodies(served: Served) -> None:
    for body in (
        {"model": "starter", "prompt": "a cat", "n": 1, "size": "64x64", "steps": 2},
        {"model": "dall-e-3", "prompt": "a cat", "n": 1, "size": "64x64", "response_format": "b64_json", "steps": 2},
        {
            "model": "gpt-image-1",
            "prompt": "a cat",
            "quality": "auto",
            "background": "auto",
            "moderation": "low",
            "user": "x",
        },
    ):
        answer = served.http.post("/v1/images/generations", json=body, headers={"Authorization": "Bearer"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"][0]["b64_json"]


def test_the_whole_list_of_methods(client: openai.OpenAI) -> None:
    """What the SDK has for pictures, videos and models is called in these tests; what cannot be is refused in its shape."""
    for refused in (
        lambda: client.videos.create_character(name="x", video=("a.mp4", b"x", "video/mp4")),
        lambda: client.videos.get_character("char_1"),
        lambda: client.models.delete("starter"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            refused()
        assert caught.value.code == "api-not-here"
    assert [each.id for each in client.models.list()] == ["starter", "starter-video"]
    tested = "".join(
        Path(__file__).with_name(name).read_text("utf-8") for name in ("test_openai.py", "test_openai_videos.py")
    )
    for part in (client.images, client.videos, client.models):
        names = [name for name in dir(part) if not name.startswith(("_", "with_"))]
        assert [name for name in names if f".{name}(" not in tested] == [], type(part).__name__
