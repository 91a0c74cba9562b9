"""Textual inversion on tiny models: the numbers of diffusers' own way, no trace left, refusals, the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engines.errors import UserError
from engines.interface import RunContext
from engines.media import read_metadata
from engines.options import EMBEDDING
from engines.pipeline.clip import ClipEncoder
from engines.pipeline.embeddings import Embeddings, read_embedding
from engines.prompt.tokens import TokenCount
from engines.records import ModelRecord
from engines.registry import REGISTRY
from engines.resident import ResidentEngine
from engines.types import GenerationRequest

from .test_engine import make

CLIP_FAMILIES = ["sd15", "sd2", "sdxl"]
WIDTH = 32


def embedding_file(path: Path, tensors: tuple[str, ...] = ("emb_params",), words: int = 3, width: int = WIDTH) -> Path:
    made = torch.Generator().manual_seed(len(path.stem))
    save_file({name: torch.randn(words, width, generator=made) for name in tensors}, path)
    return path


def tensors_of(family_id: str) -> tuple[str, ...]:
    names = tuple(clip.vectors for clip in REGISTRY.get(family_id).text.readers)
    return names if all(names) else ("emb_params",)


@pytest.fixture(scope="module")
def engine() -> ResidentEngine:
    return ResidentEngine()


@pytest.fixture
def run(
    engine: ResidentEngine,
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
) -> Callable[..., bytes]:
    """Makes a picture with embeddings and returns its bytes without the records."""
    count = iter(range(1000))

    def go(family_id: str, files: dict[str, Path], **fields: object) -> bytes:
        named = {f"{EMBEDDING}{name}": path for name, path in files.items()}
        ctx = replace(context(f"run-{next(count)}"), files=named, with_metadata=False)
        return make(engine, tiny_models[family_id], tiny_request(family_id, steps=2, **fields), ctx)

    return go


def pipe_of(engine: ResidentEngine):
    return engine._engine.maker.passes.pipe  # pyright: ignore


@pytest.mark.parametrize("family_id", CLIP_FAMILIES)
def test_a_name_in_a_prompt_changes_the_picture_and_leaves_no_trace(
    run: Callable[..., bytes], tmp_path: Path, family_id: str
) -> None:
    files = {"xnegx": embedding_file(tmp_path / "xnegx.safetensors", tensors_of(family_id))}
    wish = {"prompt": "a red apple", "negative_prompt": "xnegx"}
    plain = run(family_id, {}, **wish)
    put_in = run(family_id, files, **wish)
    assert put_in != plain
    assert run(family_id, files, prompt="a red apple", negative_prompt="<embedding:XNegX>") == put_in
    assert run(family_id, files, prompt="a red apple", negative_prompt="(xnegx:1.4)") not in (put_in, plain)
    assert run(family_id, {}, **wish) == plain  # the kept encodings did not mix
    assert run(family_id, files, **wish) == put_in


def test_the_numbers_are_those_of_diffusers(engine: ResidentEngine, run: Callable[..., bytes], tmp_path: Path) -> None:
    path = embedding_file(tmp_path / "mood.safetensors")
    run("sd15", {})
    pipe, family = pipe_of(engine), REGISTRY.get("sd15")
    ours = ClipEncoder(pipe, family.text.readers, "cpu", Embeddings({f"{EMBEDDING}mood": path}))
    mine = ours.encode("a red mood apple").embeds
    import copy

    from diffusers import StableDiffusionPipeline

    parts = {name: copy.deepcopy(getattr(pipe, name)) for name in ("text_encoder", "tokenizer")}
    others = {"unet": pipe.unet, "vae": pipe.vae, "scheduler": pipe.scheduler, "requires_safety_checker": False}
    theirs = StableDiffusionPipeline(**parts, **others, safety_checker=None, feature_extractor=None)  # pyright: ignore
    theirs.load_textual_inversion(read_embedding("mood", path)[0]["emb_params"], token="mood")
    expected = theirs.encode_prompt("a red mood apple", "cpu", 1, False)[0]
    assert torch.equal(mine, expected)


def test_an_embedding_of_another_width_is_refused_with_both(run: Callable[..., bytes], tmp_path: Path) -> None:
    wide = embedding_file(tmp_path / "wide.safetensors", width=48)
    with pytest.raises(UserError, match=r"48 numbers.*32"):
        run("sd15", {"wide": wide}, prompt="wide")
    one = embedding_file(tmp_path / "half.safetensors", ("clip_l", "t5xxl"))
    with pytest.raises(UserError, match="none for clip_g"):
        run("sdxl", {"half": one}, prompt="half")


@pytest.mark.parametrize("how", ["cut", "nan", "gone", "many sides"])
def test_a_broken_file_is_refused_and_the_model_goes_on(run: Callable[..., bytes], tmp_path: Path, how: str) -> None:
    plain = run("sd15", {})
    path = embedding_file(tmp_path / "bad.safetensors")
    match how:
        case "cut":
            path.write_bytes(path.read_bytes()[:90])
        case "nan":
            save_file({"emb_params": torch.full((1, WIDTH), float("nan"))}, path)
        case "many sides":
            save_file({"emb_params": torch.ones(1, 2, WIDTH)}, path)
        case _:
            path.unlink()
    with pytest.raises(UserError) as caught:
        run("sd15", {"bad": path}, prompt="bad")
    assert caught.value.code == ("embedding-missing" if how == "gone" else "embedding-broken")
    assert caught.value.message.fixes
    assert run("sd15", {}) == plain


def test_the_file_says_which_embeddings_were_used(
    engine: ResidentEngine,
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
    tmp_path: Path,
) -> None:
    paths = {name: embedding_file(tmp_path / f"{name}.safetensors") for name in ("mood", "other")}
    ctx = replace(context(), files={f"{EMBEDDING}{name}": path for name, path in paths.items()})
    request = tiny_request("sd15", prompt="a mood", steps=1)
    engine.load(tiny_models["sd15"], ctx)
    metadata = read_metadata(engine.generate(request, ctx).artifacts[0].path)
    assert metadata.settings["TI hashes"] == f"mood: {read_embedding('mood', paths['mood'])[1]}"


def test_vectors_are_counted_as_tokens(tmp_path: Path, tiny_models: dict[str, ModelRecord]) -> None:
    from engines.api import count_tokens

    path = embedding_file(tmp_path / "mood.safetensors", words=5)
    assert count_tokens(tiny_models["sd15"], "mood, mood", {"mood": path}) == TokenCount(11, 75, 1)
