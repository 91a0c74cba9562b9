"""LoRAs on tiny models: three layouts, weights without loading, taken off without a trace, hostile files."""

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
from engines.options import LoraUse
from engines.pipeline.loras import adapter_name, read_lora
from engines.prompt import parse_lora, used_loras
from engines.records import ModelRecord
from engines.resident import ResidentEngine
from engines.types import GenerationRequest

from .test_engine import make

FAMILY = "sd15"
QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TEXTS = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.0.self_attn.out_proj")
RANK, WIDTH, TEXT_WIDTH = 2, 8, 32


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
    """Makes a picture with some LoRA files and returns its bytes without the records."""
    count = iter(range(1000))

    def go(*uses: LoraUse, files: dict[str, Path] | None = None, prompt: str = "a red apple") -> bytes:
        ctx = replace(context(f"run-{next(count)}"), files=files or {}, with_metadata=False)
        return make(engine, tiny_models[FAMILY], tiny_request(FAMILY, loras=uses, steps=2, prompt=prompt), ctx)

    return go


def layers(text: bool = True) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A down and an up matrix by layer, the same numbers for every layout."""
    made = torch.Generator().manual_seed(3)
    sizes = {QUERY: WIDTH, **({f"text {each}": TEXT_WIDTH for each in TEXTS} if text else {})}
    return {
        name: (torch.randn(RANK, width, generator=made), torch.randn(width, RANK, generator=made))
        for name, width in sizes.items()
    }


def diffusers_file(path: Path, text: bool = True) -> Path:
    return written(
        path, text, "unet.{}.lora_A.weight", "unet.{}.lora_B.weight", "text_encoder.text_model.{}.lora_{}.weight"
    )


def peft_file(path: Path) -> Path:
    return written(path, False, "base_model.model.{}.lora_A.weight", "base_model.model.{}.lora_B.weight", "")


def written(path: Path, text: bool, down: str, up: str, words: str) -> Path:
    tensors = {}
    for name, (first, second) in layers(text).items():
        if name.startswith("text "):
            tensors[words.format(name[5:], "A")], tensors[words.format(name[5:], "B")] = first, second
        else:
            tensors[down.format(name)], tensors[up.format(name)] = first, second
    save_file(tensors, path)
    return path


def kohya_file(path: Path, text: bool = True) -> Path:
    tensors = {}
    for name, (first, second) in layers(text).items():
        plain = f"lora_te_text_model_{name[5:]}" if name.startswith("text ") else f"lora_unet_{name}"
        plain = plain.replace(".", "_")
        tensors |= {f"{plain}.lora_down.weight": first, f"{plain}.lora_up.weight": second}
        tensors[f"{plain}.alpha"] = torch.tensor(float(RANK))
    save_file(tensors, path)
    return path


def test_three_layouts_of_the_same_numbers_give_the_same_picture(run: Callable[..., bytes], tmp_path: Path) -> None:
    plain = run()
    made = [
        run(LoraUse(file="x"), files={"x": file})
        for file in (
            diffusers_file(tmp_path / "d.safetensors", text=False),
            kohya_file(tmp_path / "k.safetensors", text=False),
            peft_file(tmp_path / "p.safetensors"),
        )
    ]
    assert made[0] == made[1] == made[2] != plain


def test_weights_change_without_loading_and_leave_no_trace(
    engine: ResidentEngine, run: Callable[..., bytes], tmp_path: Path
) -> None:
    file = kohya_file(tmp_path / "style.v1.safetensors")
    files = {"style.v1": file}
    plain = run()
    full = run(LoraUse(file="style.v1"), files=files)
    stack = engine._engine.maker.addons.loras  # pyright: ignore
    loads, model_loads = stack.loads, engine.loads
    half = run(LoraUse(file="style.v1", weight=0.5), files=files)
    words = run(LoraUse(file="style.v1", weight=0, text_weight=1), files=files)
    assert run(LoraUse(file="style.v1", weight=0), files=files) == plain
    assert run() == plain
    assert run(LoraUse(file="style.v1"), files=files) == full
    assert run(prompt="a red apple<lora:style.v1:0.5>", files=files) == half
    assert len({plain, full, half, words}) == 4
    assert (stack.loads, engine.loads) == (loads, model_loads)


def test_two_at_once_are_not_one(run: Callable[..., bytes], tmp_path: Path) -> None:
    files = {"a": kohya_file(tmp_path / "a.safetensors"), "b": other_file(tmp_path / "b.safetensors")}
    alone = [run(LoraUse(file=name), files=files) for name in files]
    both = run(LoraUse(file="a"), LoraUse(file="b"), files=files)
    assert len({*alone, both}) == 3
    assert run(LoraUse(file="b"), LoraUse(file="a"), files=files) == both
    assert run(LoraUse(file="a"), files=files) == alone[0]


def other_file(path: Path) -> Path:
    tensors = {name: value * 0.7 for name, value in read_lora(kohya_file(path))[0].items()}
    save_file(tensors, path)
    return path


def spoilt(path: Path, how: str) -> Path:
    tensors = read_lora(kohya_file(path))[0]
    name = next(name for name in tensors if "attn1_to_q.lora_up" in name)
    match how:
        case "nan":
            tensors[name][0, 0] = float("nan")
        case "shape":
            tensors[name] = torch.ones(WIDTH + 3, RANK)
        case "elsewhere":
            tensors = {
                key.replace("attn1_to_q", "attn9_to_q"): value for key, value in tensors.items() if "unet" in key
            }
        case "empty":
            tensors = {}
    save_file(tensors, path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:200])
    return path


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("how", ["nan", "shape", "elsewhere", "empty", "cut"])
def test_a_broken_file_is_refused_and_the_model_stays_clean(
    run: Callable[..., bytes], tmp_path: Path, how: str, first: bool
) -> None:
    files = {"good": kohya_file(tmp_path / "good.safetensors"), "bad": spoilt(tmp_path / f"bad-{how}.safetensors", how)}
    plain = run()
    full = run(LoraUse(file="good"), files=files) if first else b""
    with pytest.raises(UserError) as caught:
        run(LoraUse(file="bad"), files=files)
    assert caught.value.code in ("lora-broken", "lora-fits-nothing")
    assert caught.value.message.fixes
    assert run() == plain
    if first:
        assert run(LoraUse(file="good"), files=files) == full


def test_a_file_that_is_gone_is_an_error_with_its_name(run: Callable[..., bytes], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ghost"):
        run(LoraUse(file="ghost"), files={"ghost": tmp_path / "ghost.safetensors"})


def test_the_file_says_which_loras_were_used(
    engine: ResidentEngine,
    tiny_models: dict[str, ModelRecord],
    tiny_request: Callable[..., GenerationRequest],
    context: Callable[..., RunContext],
    tmp_path: Path,
) -> None:
    file = kohya_file(tmp_path / "style.safetensors")
    ctx = replace(context(), files={"style": file})
    request = tiny_request(FAMILY, loras=[LoraUse(file="style", weight=0.8)], steps=2)
    engine.load(tiny_models[FAMILY], ctx)
    metadata = read_metadata(engine.generate(request, ctx).artifacts[0].path)
    assert metadata.request == request
    assert metadata.settings["Lora hashes"] == f"style: {read_lora(file)[1]}"
    assert metadata.settings["Prompt"] == "a red apple <lora:style:0.8>"


def test_names_for_modules_have_no_dots() -> None:
    assert adapter_name(Path("my.style-v1.5.safetensors"), "abc") == "my_style_v1_5_abc"


def test_tags_in_the_prompt_count_as_uses(tiny_request: Callable[..., GenerationRequest]) -> None:
    request = tiny_request(FAMILY, prompt="a <lora:x:0.5> b <lora:y:0.2:0.9>", loras=[LoraUse(file="z")])
    assert used_loras(request) == (
        LoraUse(file="z"),
        LoraUse(file="x", weight=0.5, text_weight=0.5),
        LoraUse(file="y", weight=0.9, text_weight=0.2),
    )


def test_a_flag_says_what_a_tag_says() -> None:
    assert parse_lora("style:0.8") == LoraUse(file="style", weight=0.8)
    assert parse_lora("style:0.2:0.9") == LoraUse(file="style", weight=0.9, text_weight=0.2)
    assert parse_lora("a:b:c:d") is None and parse_lora("") is None and parse_lora("x><lora:y") is None
