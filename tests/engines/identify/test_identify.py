"""Every kind of file is told from its header alone, whatever it is called, and says why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engines.identify import Identified, Kind, identify
from engines.registry import REGISTRY
from tests.engines import original_headers as originals
from tests.engines.identify.headers import Tensors, fixture, write_gguf, write_safetensors

FAMILIES = REGISTRY.all()


def told(path: Path) -> Identified:
    return identify(path, FAMILIES)


def lora(module: str, inputs: int, layout: str, rank: int = 8, outputs: int = 320) -> Tensors:
    down, up = {"kohya": ("lora_down.weight", "lora_up.weight"), "diffusers": ("lora_A.weight", "lora_B.weight")}[
        layout
    ]
    return {f"{module}.{down}": ("F16", [rank, inputs]), f"{module}.{up}": ("F16", [outputs, rank])}


CROSS_15 = "down_blocks{0}0{0}attentions{0}0{0}transformer_blocks{0}0{0}attn2{0}to_k"
CROSS_XL = "down_blocks{0}1{0}attentions{0}0{0}transformer_blocks{0}0{0}attn2{0}to_k"
KINDS: dict[str, tuple[Tensors, Kind, str]] = {
    "checkpoint of 1.5": (fixture("sd15-checkpoint"), Kind.CHECKPOINT, "sd15"),
    "checkpoint of XL": (fixture("sdxl-checkpoint"), Kind.CHECKPOINT, "sdxl"),
    "UNet of 1.5": (fixture("sd15-unet-diffusers"), Kind.DENOISER, "sd15"),
    "UNet of XL": (fixture("sdxl-unet-diffusers"), Kind.DENOISER, "sdxl"),
    "ControlNet of 1.5": (fixture("sd15-controlnet-diffusers"), Kind.CONTROLNET, "sd15"),
    "ControlNet of XL": (fixture("sdxl-controlnet-diffusers"), Kind.CONTROLNET, "sdxl"),
    "ControlNet of FLUX.1": (fixture("flux-controlnet"), Kind.CONTROLNET, "flux"),
    "ControlNet of SD 3": (fixture("sd3-controlnet"), Kind.CONTROLNET, "sd3"),
    "ControlNet of SD 3.5 large": (fixture("sd3-large-controlnet"), Kind.CONTROLNET, "sd3"),
    "ControlNet of Qwen-Image": (fixture("qwen-image-controlnet"), Kind.CONTROLNET, "qwen-image"),
    "ControlNet of Z-Image": (fixture("z-image-controlnet"), Kind.CONTROLNET, "z-image"),
    "VAE": (fixture("vae-4-channels-diffusers"), Kind.VAE, ""),
    "CLIP-L": (fixture("clip-l"), Kind.TEXT_ENCODER, ""),
    "LoRA of 1.5, kohya": (lora(f"lora_unet_{CROSS_15.format('_')}", 768, "kohya"), Kind.LORA, "sd15"),
    "LoRA of 1.5, diffusers": (lora(f"unet.{CROSS_15.format('.')}", 768, "diffusers"), Kind.LORA, "sd15"),
    "LoRA of 1.5, PEFT": (lora(f"base_model.model.{CROSS_15.format('.')}", 768, "diffusers"), Kind.LORA, "sd15"),
    "LoRA of 1.5, old diffusers": (
        {
            f"unet.{CROSS_15.format('.').removesuffix('.to_k')}.processor.to_k_lora.down.weight": ("F32", [4, 768]),
            f"unet.{CROSS_15.format('.').removesuffix('.to_k')}.processor.to_k_lora.up.weight": ("F32", [320, 4]),
        },
        Kind.LORA,
        "sd15",
    ),
    "LoRA of XL, kohya": (lora(f"lora_unet_{CROSS_XL.format('_')}", 2048, "kohya"), Kind.LORA, "sdxl"),
    "LoRA of XL, diffusers": (
        {
            **lora(f"unet.{CROSS_XL.format('.')}", 2048, "diffusers"),
            **lora("text_encoder.text_model.encoder.layers.0.self_attn.k_proj", 768, "diffusers", outputs=768),
        },
        Kind.LORA,
        "sdxl",
    ),
    "LoKr of XL": (
        {
            f"lycoris_{CROSS_XL.format('_')}.lokr_w1": ("F16", [16, 16]),
            f"lycoris_{CROSS_XL.format('_')}.lokr_w2_a": ("F16", [40, 8]),
            f"lycoris_{CROSS_XL.format('_')}.lokr_w2_b": ("F16", [8, 128]),
        },
        Kind.LORA,
        "sdxl",
    ),
    "embedding of 1.5": ({"emb_params": ("F32", [4, 768])}, Kind.EMBEDDING, "sd15"),
    "embedding of XL": ({"clip_g": ("F32", [4, 1280]), "clip_l": ("F32", [4, 768])}, Kind.EMBEDDING, "sdxl"),
    "embedding, diffusers": ({"<a-cat>": ("F32", [768])}, Kind.EMBEDDING, "sd15"),
    "IP-Adapter of XL": (
        {"image_proj.proj.weight": ("F16", [8192, 1280]), "ip_adapter.1.to_k_ip.weight": ("F16", [640, 2048])},
        Kind.IP_ADAPTER,
        "sdxl",
    ),
    "upscaler, ESRGAN": (
        {"model.0.weight": ("F32", [64, 3, 3, 3]), "model.1.sub.0.RDB1.conv1.0.weight": ("F32", [32, 64, 3, 3])},
        Kind.UPSCALER,
        "",
    ),
    "upscaler, RealESRGAN": (
        {"conv_first.weight": ("F32", [64, 3, 3, 3]), "body.0.rdb1.conv1.weight": ("F32", [32, 64, 3, 3])},
        Kind.UPSCALER,
        "",
    ),
    "picture encoder": (
        {"vision_model.encoder.layers.0.mlp.fc1.weight": ("F16", [5120, 1280])},
        Kind.IMAGE_ENCODER,
        "",
    ),
    "language model": (
        {
            "model.embed_tokens.weight": ("BF16", [151936, 1000]),
            "model.layers.0.self_attn.q_proj.weight": ("BF16", [1000, 1000]),
        },
        Kind.LANGUAGE_MODEL,
        "",
    ),
    "FLUX dev": (originals.flux(), Kind.DENOISER, "flux"),
    "Chroma": (originals.chroma(), Kind.DENOISER, "chroma"),
    "SD 3.5 medium": (originals.sd3(24, 13, True, 384), Kind.DENOISER, "sd3"),
    "SD 3.5 large": (originals.sd3(38, 0, True, 192), Kind.DENOISER, "sd3"),
    "LoRA of FLUX, kohya": (lora("lora_unet_double_blocks_0_img_attn_qkv", 3072, "kohya"), Kind.LORA, "flux"),
    "LoRA of FLUX, diffusers": (
        lora("transformer.single_transformer_blocks.0.attn.to_q", 3072, "diffusers"),
        Kind.LORA,
        "flux",
    ),
    "VAE with 16 channels": ({"decoder.conv_in.weight": ("F32", [512, 16, 3, 3])}, Kind.VAE, ""),
    "T5-XXL": (
        {
            "shared.weight": ("F16", [32128, 4096]),
            "encoder.block.0.layer.0.SelfAttention.q.weight": ("F16", [4096, 4096]),
        },
        Kind.TEXT_ENCODER,
        "",
    ),
    "Qwen3-4B": (
        {
            "model.embed_tokens.weight": ("BF16", [151936, 2560]),
            "model.layers.0.self_attn.q_norm.weight": ("BF16", [128]),
            "model.layers.0.self_attn.q_proj.weight": ("BF16", [4096, 2560]),
        },
        Kind.TEXT_ENCODER,
        "",
    ),
    "a table of numbers": ({"numbers.table": ("F32", [10, 10])}, Kind.UNKNOWN, ""),
    "no tensors at all": ({}, Kind.UNKNOWN, ""),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_and_family_are_told_from_the_header(name: str, tmp_path: Path) -> None:
    tensors, kind, family = KINDS[name]
    found = told(write_safetensors(tmp_path / "a.safetensors", tensors))
    assert (found.kind, found.family, found.problem) == (kind, family, None), found.reasons
    assert found.reasons
    assert found.size > 0


@pytest.mark.parametrize("name", KINDS)
def test_renaming_changes_nothing(name: str, tmp_path: Path) -> None:
    from dataclasses import replace

    path = write_safetensors(tmp_path / "sd_xl_base_lora_vae.safetensors", KINDS[name][0])
    before = told(path)
    for other in ("flux1-dev.gguf", "x.ckpt", "no-ending", "ümläut ünd 猫.sft"):
        renamed = path.rename(tmp_path / other)
        assert replace(told(renamed), path=before.path) == before
        path = renamed


def test_the_answer_survives_json() -> None:
    folder = Path(__file__).resolve().parents[3] / "resources" / "starter" / "image"
    for path in (folder, folder / "vae", folder / "model_index.json", folder / "no-such-file"):
        found = told(path)
        assert Identified.of_json(json.loads(json.dumps(found.as_json()))) == found


def test_variants_are_told(tmp_path: Path) -> None:
    plain = fixture("sd15-checkpoint")
    first = "model.diffusion_model.input_blocks.0.0.weight"
    for channels, variant in ((9, ("inpaint",)), (8, ("edit",)), (4, ())):
        tensors = {**plain, first: ("F16", [320, channels, 3, 3])}
        assert told(write_safetensors(tmp_path / f"{channels}.safetensors", tensors)).variants == variant
    large = fixture("sdxl-checkpoint")
    marked = {**large, "v_pred": ("F16", []), "ztsnr": ("F16", [])}
    assert told(write_safetensors(tmp_path / "v.safetensors", marked)).variants == ("v-prediction",)
    said = write_safetensors(tmp_path / "w.safetensors", large, {"modelspec.prediction_type": "v"})
    assert told(said).variants == ("v-prediction",)
    assert told(write_safetensors(tmp_path / "x.safetensors", large)).variants == ()


def test_variants_of_flux_are_told(tmp_path: Path) -> None:
    for number, (tensors, variants) in enumerate(
        [(originals.flux(), ()), (originals.flux(guidance=False), ("schnell",)), (originals.flux(384), ("fill",))]
    ):
        found = told(write_safetensors(tmp_path / str(number), tensors))
        assert (found.family, found.variants) == ("flux", variants)
        assert found.missing == ("vae", "text_encoder", "text_encoder_2")


def test_what_a_file_lacks_is_named(tmp_path: Path) -> None:
    whole = fixture("sdxl-checkpoint")
    assert told(write_safetensors(tmp_path / "whole.safetensors", whole)).missing == ()
    no_vae = {name: info for name, info in whole.items() if not name.startswith("first_stage_model.")}
    assert told(write_safetensors(tmp_path / "no-vae.safetensors", no_vae)).missing == ("vae",)
    alone = {name: info for name, info in whole.items() if name.startswith("model.diffusion_model.")}
    found = told(write_safetensors(tmp_path / "alone.safetensors", alone))
    assert (found.kind, found.missing) == (Kind.DENOISER, ("vae", "text_encoder", "text_encoder_2"))


def test_a_shared_part_fits_every_family_that_has_it(tmp_path: Path) -> None:
    found = told(write_safetensors(tmp_path / "vae.safetensors", fixture("vae-4-channels-diffusers")))
    assert {("sd15", "vae"), ("sdxl", "vae")} <= set(found.fits)
    found = told(write_safetensors(tmp_path / "clip.safetensors", fixture("clip-l")))
    assert {("sd15", "text_encoder"), ("sdxl", "text_encoder")} <= set(found.fits)


def test_number_formats_and_packings(tmp_path: Path) -> None:
    unet = fixture("sd15-unet-diffusers")
    eight = {name: ("F8_E4M3", shape) for name, (_, shape) in unet.items()}
    assert told(write_safetensors(tmp_path / "a", eight)).dtype == "float8_e4m3fn"
    packed = {**eight, "scaled_fp8": ("F8_E4M3", [0])}
    assert told(write_safetensors(tmp_path / "b", packed)).quantisation == "fp8-scaled"
    four = {**unet, "conv_in.weight.quant_state.bitsandbytes__nf4": ("U8", [90])}
    assert told(write_safetensors(tmp_path / "c", four)).quantisation == "nf4"


def test_gguf_is_told_as_safetensors_are(tmp_path: Path) -> None:
    original = {name.removeprefix("model.diffusion_model."): info for name, info in fixture("sd15-checkpoint").items()}
    unet = {name: info for name, info in original.items() if not name.startswith(("first_stage", "cond_stage"))}
    found = told(write_gguf(tmp_path / "a.gguf", unet, {"general.architecture": "sd1"}))
    assert (found.kind, found.family, found.format, found.quantisation) == (Kind.DENOISER, "sd15", "gguf", "gguf")
    assert found.missing == ("vae", "text_encoder")
    words = {"token_embd.weight": ("Q4_K", [32000, 1024]), "blk.0.attn_q.weight": ("Q4_K", [1024, 1024])}
    assert told(write_gguf(tmp_path / "b.gguf", words, {"general.architecture": "llama"})).kind is Kind.LANGUAGE_MODEL


def test_words_that_wake_a_lora(tmp_path: Path) -> None:
    tensors = KINDS["LoRA of XL, kohya"][0]
    tags = json.dumps({"10_cat": {"my cat": 20, "sitting": 3, "outdoors": 7}})
    found = told(write_safetensors(tmp_path / "a", tensors, {"ss_tag_frequency": tags}))
    assert found.triggers == ("my cat", "outdoors", "sitting")
    for damaged in ("{", "[1]", '{"a": 3}', '{"a": {"b": null}}'):
        assert told(write_safetensors(tmp_path / "b", tensors, {"ss_tag_frequency": damaged})).triggers == ()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_reasons_name_the_family_and_no_other(family, tmp_path: Path) -> None:
    """Every family that says how its files look says it in parts that it has, or in add-ons that we know."""
    addons = {"lora", "embedding", "controlnet", "ip-adapter", "t2i-adapter", "motion", "image_encoder"}
    parts = {name.partition("@")[0] for name in family.detection.files}
    assert parts <= addons | set(family.parts) | {"image_encoder"}, family.id
    assert {name.partition("@")[2] for name in family.detection.files} <= {"", *family.detection.variants}, family.id
    assert set(family.detection.prefixes) <= set(family.parts), family.id
    for name in family.detection.variants:
        assert re.fullmatch(r"[a-z0-9.-]+", name)
