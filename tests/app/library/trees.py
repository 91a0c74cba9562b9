"""Folders of other programs as they are on people's disks, with files that have real headers and no weights."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from tests.engines.identify.headers import fixture, write_gguf, write_safetensors
from tests.engines.identify.test_identify import KINDS

KIND_OF = {name: (str(kind), family) for name, (_, kind, family) in KINDS.items()}
Told = dict[str, tuple[str, str]]


def put(root: Path, files: dict[str, str]) -> Told:
    """Write each file with the header of the named example; returns what each must be told as."""
    for path, example in files.items():
        write_safetensors(root / path, KINDS[example][0])
    return {str(root / path): KIND_OF[example] for path, example in files.items()}


def a1111(root: Path) -> Told:
    """AUTOMATIC1111's folder; embeddings lie beside `models`, the ControlNet extension keeps its own."""
    (root / "models").mkdir(parents=True)
    (root / "webui.py").write_text("raise SystemExit('nobody runs this')\n")
    told = put(
        root,
        {
            "models/Stable-diffusion/realistic.safetensors": "checkpoint of 1.5",
            "models/Stable-diffusion/xl/base.safetensors": "checkpoint of XL",
            "models/Lora/style.safetensors": "LoRA of 1.5, kohya",
            "models/LyCORIS/thing.safetensors": "LoKr of XL",
            "models/VAE/better.safetensors": "VAE",
            "models/ControlNet/canny.safetensors": "ControlNet of 1.5",
            "models/ESRGAN/4x.safetensors": "upscaler, ESRGAN",
            "embeddings/bad-hands.safetensors": "embedding of 1.5",
            "extensions/sd-webui-controlnet/models/depth.safetensors": "ControlNet of XL",
            "models/Lora/in the wrong folder.safetensors": "checkpoint of 1.5",
        },
    )
    old = root / "models/Stable-diffusion/old.ckpt"
    old.write_bytes(pickle.dumps({"a": 1}))
    page = root / "models/Lora/page.safetensors"
    page.write_bytes(b"<!doctype html><html>Log in</html>")
    (root / "models/Stable-diffusion/realistic.yaml").write_text("model: {}\n")
    (root / "models/Stable-diffusion/realistic.png").write_bytes(b"\x89PNG")
    return {**told, str(old): ("pickle", ""), str(page): ("not-a-model", "")}


def forge(root: Path) -> Told:
    """Forge: A1111's folders, beside them its own for text encoders and for packed transformers."""
    (root / "modules_forge").mkdir(parents=True)
    told = put(
        root,
        {
            "models/Stable-diffusion/flux/dev.safetensors": "FLUX dev",
            "models/text_encoder/t5.safetensors": "T5-XXL",
            "models/VAE/ae.safetensors": "VAE with 16 channels",
            "models/ControlNet/depth.safetensors": "ControlNet of XL",
            "models/Lora/flux.safetensors": "LoRA of FLUX, kohya",
            "embeddings/neg.safetensors": "embedding of XL",
        },
    )
    words = root / "backend/huggingface/black-forest-labs/FLUX.1-dev/tokenizer_2"
    words.mkdir(parents=True)
    (words / "tokenizer.json").write_text("{}")
    packed = write_gguf(root / "models/Stable-diffusion/klein.gguf", _half(fixture("flux2-klein-4b")), {})
    return {**told, str(packed): ("denoiser", "flux2")}


def swarm(root: Path) -> Told:
    """SwarmUI: its own names for folders, one of them for ComfyUI's kind of files."""
    (root / "Models" / "Stable-Diffusion").mkdir(parents=True)
    told = put(
        root,
        {
            "Models/Stable-Diffusion/OfficialStableDiffusion/xl.safetensors": "checkpoint of XL",
            "Models/Lora/one.safetensors": "LoRA of 1.5, PEFT",
            "Models/VAE/v.safetensors": "VAE",
            "Models/Embeddings/e.safetensors": "embedding of 1.5",
            "Models/clip/l.safetensors": "CLIP-L",
        },
    )
    video = write_safetensors(root / "Models/diffusion_models/wan.safetensors", fixture("wan-14b-i2v"))
    return {**told, str(video): ("denoiser", "wan")}


def _half(tensors: dict[str, tuple[str, list[int]]]) -> dict[str, tuple[str, list[int]]]:
    return {name: ("F16", shape) for name, (_, shape) in tensors.items()}


def comfy(root: Path, elsewhere: Path) -> Told:
    """ComfyUI's folder, whose YAML names another one by two sections, one of them with several lines."""
    (root / "comfy").mkdir(parents=True)
    (root / "extra_model_paths.yaml").write_text(
        f"other:\n  base_path: {elsewhere}\n  checkpoints: sd\n  loras: |\n    lora/a\n    lora/b\n"
        "mine:\n  is_default: true\n  vae: my vaes\nempty:\nnumber: 3\n"
    )
    told = put(
        root,
        {
            "models/checkpoints/sdxl.safetensors": "checkpoint of XL",
            "models/unet/alone.safetensors": "UNet of XL",
            "models/diffusion_models/small.safetensors": "UNet of 1.5",
            "models/text_encoders/clip_l.safetensors": "CLIP-L",
            "models/clip_vision/h.safetensors": "picture encoder",
            "models/loras/sub folder/lora.safetensors": "LoRA of XL, diffusers",
            "models/embeddings/neg.safetensors": "embedding of XL",
            "models/upscale_models/x4.safetensors": "upscaler, RealESRGAN",
            "models/LLM/words.safetensors": "language model",
            "my vaes/ft.safetensors": "VAE",
        },
    )
    told |= put(
        elsewhere,
        {
            "sd/other.safetensors": "checkpoint of 1.5",
            "lora/a/one.safetensors": "LoRA of 1.5, PEFT",
            "lora/b/two.safetensors": "LoRA of 1.5, old diffusers",
        },
    )
    put(elsewhere, {"not named/hidden.safetensors": "VAE"})
    unet = {name: info for name, info in fixture("sd15-checkpoint").items() if "diffusion_model" in name}
    packed = write_gguf(root / "models/unet/q.gguf", unet, {"general.architecture": "sd1"})
    return {**told, str(packed): ("denoiser", "sd15")}


def fooocus(root: Path, elsewhere: Path) -> Told:
    """Fooocus's folder, whose settings name a list of places."""
    (root / "models").mkdir(parents=True)
    paths = {"path_checkpoints": [str(elsewhere)], "path_loras": "models/loras", "path_outputs": "outputs"}
    (root / "config.txt").write_text(json.dumps(paths))
    told = put(
        root,
        {"models/loras/l.safetensors": "LoRA of XL, kohya", "models/checkpoints/c.safetensors": "checkpoint of XL"},
    )
    put(root, {"outputs/not-a-place-for-models.safetensors": "VAE"})
    return told | put(elsewhere, {"juggernaut.safetensors": "checkpoint of XL"})


def invoke(root: Path) -> Told:
    """InvokeAI's folder: models under keys that say nothing."""
    root.mkdir(parents=True)
    (root / "invokeai.yaml").write_text("schema_version: 4.0.2\nmodels_dir: models\n")
    return put(
        root,
        {
            "models/6b2f-41/model.safetensors": "checkpoint of 1.5",
            "models/9e11-07/x.safetensors": "IP-Adapter of XL",
            "models/core/upscaling/up.safetensors": "upscaler, ESRGAN",
        },
    )


def stability_matrix(root: Path) -> Told:
    """Stability Matrix's library, with what it knows of a file beside it."""
    root.mkdir(parents=True)
    (root / "settings.json").write_text("{}")
    told = put(
        root,
        {
            "Models/StableDiffusion/a.safetensors": "checkpoint of XL",
            "Models/Lora/b.safetensors": "LoRA of 1.5, diffusers",
            "Models/TextEncoders/c.safetensors": "CLIP-L",
        },
    )
    (root / "Models/StableDiffusion/a.cm-info.json").write_text(
        json.dumps({"ModelName": "A", "Hashes": {"SHA256": "0" * 64}})
    )
    return told


def hub(root: Path) -> Told:
    """The Hugging Face cache: blobs by hash, snapshots of links; a lone VAE and a part that is still on its way."""
    snapshot = root / "models--somebody--a-vae" / "snapshots" / "0123abcd"
    blob = root / "models--somebody--a-vae" / "blobs" / ("ab" * 32)
    write_safetensors(blob, KINDS["VAE"][0])
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    (snapshot / "diffusion_pytorch_model.safetensors").symlink_to(blob)
    (blob.parent / "cd.incomplete").write_bytes(b"half")
    return {str(snapshot): ("vae", "")}
