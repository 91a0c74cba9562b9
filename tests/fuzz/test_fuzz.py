"""Parsers of what strangers give, with anything at all: hypothesis now, the corpus always, atheris in tools/fuzz.py."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import CORPUS, TARGETS, feed

pytestmark = pytest.mark.timeout(300)

PROMPT = st.lists(
    st.one_of(
        st.sampled_from("()[]{}|:,\\<>_$%@~*&;\n\"'"),
        st.sampled_from(
            ["<lora:a:1>", "BREAK", "AND", "__list__", "{2$$", ":1.5)", "[a:b:0.5]", "embedding:x", "\ud83d"]
        ),
        st.text(max_size=4),
        st.floats().map(str),
    ),
    max_size=40,
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN = st.dictionaries(
    st.sampled_from(
        ["schema_version", "request", "prompt", "seed", "inputs", "task", "title", "values", "software", "notes"]
    ),
    JSON,
    max_size=6,
)
LINE = st.lists(
    st.tuples(
        st.sampled_from(["Steps", "Sampler", "CFG scale", "Seed", "Size", "Hashes", "Model", "x"]), st.text(max_size=12)
    ),
    max_size=8,
).map(lambda pairs: "a\nNegative prompt: b\n" + ", ".join(f"{key}: {value}" for key, value in pairs))
SHAPES = {
    "words": PROMPT,
    "infotext": LINE.map(lambda text: text.encode("utf-8", "replace")),
    "picture_words": st.one_of(JSON, KNOWN).map(lambda value: b"\1" + json.dumps(value).encode("utf-8", "replace")),
    "preset": st.one_of(
        KNOWN.map(lambda value: json.dumps(value).encode()), st.text().map(lambda text: text.encode("utf-8", "replace"))
    ),
    "settings": st.one_of(JSON, KNOWN).map(lambda value: json.dumps(value).encode()),
    "model": st.tuples(st.integers(0, 300), st.one_of(JSON, KNOWN)).map(
        lambda pair: pair[0].to_bytes(8, "little") + json.dumps(pair[1]).encode()
    ),
}


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    feed(name, data)


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_nearly_good_input(name: str, data: st.DataObject) -> None:
    feed(name, data.draw(SHAPES[name]))


@pytest.mark.parametrize(
    "path",
    sorted(path for path in CORPUS.rglob("*") if path.is_file()),
    ids=lambda path: f"{path.parent.name}-{path.name}",
)
def test_what_was_found_once_stays_mended(path) -> None:
    feed(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "data",
    [
        b"(" * 60_000,
        b"[" * 60_000,
        b"{" * 60_000,
        b"<" * 60_000,
        b"__" * 30_000,
        b"a:" * 30_000,
        b"\\" * 60_000,
        b"{a|" * 20_000,
        b"{2$$" * 15_000,
    ],
)
def test_deep_and_long(name: str, data: bytes) -> None:
    """Nests and rows that a recursive or a quadratic reader does not survive within the test's time."""
    feed(name, b"\1" + data if name == "picture_words" else data)
