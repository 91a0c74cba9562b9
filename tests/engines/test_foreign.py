"""Other programs' files are read: a corpus in their documented formats, and whatever else a file may hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engines.media import read_metadata
from engines.media.foreign import READERS, understand
from engines.media.texts import decoded
from tests.engines.foreign_files import CORPUS, Case, comfy_graph, infotext


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_the_corpus(case: Case, tmp_path: Path) -> None:
    found = read_metadata(case.write(tmp_path))
    assert found.kind == case.kind
    assert {key: found.settings.get(key) for key in case.settings} == case.settings
    assert found.raw
    assert found.request is None


GRAPH = json.dumps(comfy_graph())
PLAIN = {"movflags": "+faststart+use_metadata_tags"}


@pytest.mark.parametrize(
    ("name", "tags", "options", "kind"),
    [
        ("comfy.mp4", {"prompt": GRAPH, "workflow": "{}"}, PLAIN, "comfyui"),
        ("comfy.webm", {"PROMPT": GRAPH}, {}, "comfyui"),
        ("helper-suite.mp4", {"comment": json.dumps({"prompt": GRAPH, "workflow": "{}"})}, {}, "comfyui"),
        ("helper-suite-2.mp4", {"comment": json.dumps({"prompt": comfy_graph(), "workflow": {}})}, {}, "comfyui"),
        ("a1111.mp4", {"parameters": infotext()}, PLAIN, "a1111"),
    ],
)
def test_other_programs_videos(
    tmp_path: Path, name: str, tags: dict[str, str], options: dict[str, str], kind: str
) -> None:
    import av

    with av.open(str(tmp_path / name), "w", options=options) as film:
        film.metadata.update(tags)
        stream = film.add_stream("libvpx-vp9" if name.endswith("webm") else "libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"  # pyright: ignore
        frame = av.VideoFrame.from_image(Image.new("RGB", (64, 64), "teal"))
        film.mux([*stream.encode(frame), *stream.encode()])  # pyright: ignore
    found = read_metadata(tmp_path / name)
    assert (found.kind, found.settings["Seed"], found.settings["Steps"]) == (kind, "5", "20")
    assert found.settings["Prompt"].startswith("a cat")


def test_what_nobody_knows_is_shown(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Comment", "made by hand on a rainy day")
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png", pnginfo=info)
    found = read_metadata(tmp_path / "x.png")
    assert (found.kind, found.settings) == ("unknown", {})
    assert "a rainy day" in found.raw


def test_a_text_beside_the_picture_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.gif")
    (tmp_path / "x.txt").write_text("a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5", "utf-8")
    assert read_metadata(tmp_path / "x.gif").settings["Seed"] == "5"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "parameters",
        "prompt",
        "workflow",
        "comment",
        "Comment",
        "Software",
        "invokeai_metadata",
        "sd-metadata",
        "Dream",
        "easel",
    ]
)


@given(st.dictionaries(KEYS, JSON.map(json.dumps) | st.text(max_size=80), max_size=4))
def test_nothing_in_a_file_is_an_error(texts: dict[str, str]) -> None:
    for reader in READERS:  # each by itself: `understand` would hide a stumble
        found = reader(texts)
        if found is not None:
            assert all(isinstance(value, str) for value in found.settings.values())
    understand(texts)


@given(
    JSON,
    st.sampled_from(["3", "5", "6", "10"]),
    st.sampled_from(["seed", "positive", "model", "text", "width", "lora_name"]),
)
def test_no_value_in_a_graph_is_an_error(value: object, node: str, name: str) -> None:
    graph = comfy_graph()
    graph[node]["inputs"][name] = value
    for reader in READERS:
        reader({"prompt": json.dumps(graph)})


@given(st.binary(max_size=60))
def test_any_comment_is_text(data: bytes) -> None:
    for code in (b"UNICODE\0", b"ASCII\0\0\0", b"\0" * 8, b""):
        assert isinstance(decoded(code + data), str)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=60))
def test_latin_comments_in_either_order(text: str) -> None:
    words = "a cat with a hat, " + text
    for order in ("utf-16-be", "utf-16-le", "utf-16"):
        assert decoded(b"UNICODE\0" + words.encode(order)).strip("\0") == words.strip("\0")
