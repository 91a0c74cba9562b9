"""Write `tests/fixtures/headers`: the tensor names and shapes of real models, built from their configurations on torch's meta
device, so that nothing is downloaded and no weight exists. `python tools/make_header_fixtures.py`."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "headers"
CONFIGS = ROOT / "resources" / "families"
sys.path.insert(0, str(ROOT))
os.environ["HF_HUB_OFFLINE"] = "1"


def main() -> int:
    """Write every fixture; the same libraries give the same bytes."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for name, weights in {**stable_diffusion("sd15"), **stable_diffusion("sdxl")}.items():
        write(name, weights)
    return 0


def stable_diffusion(family: str) -> dict[str, Any]:
    """The UNet and the whole checkpoint, in diffusers' and in the original layout, and a ControlNet."""
    from tests.engines import originals

    unet = meta(family, "unet")
    vae = meta(family, "vae")
    clip = meta(family, "text_encoder")
    original = originals.under("model.diffusion_model.", originals.original_unet(unet))
    original |= originals.under("first_stage_model.", originals.original_vae(vae))
    if family == "sd15":
        original |= originals.under("cond_stage_model.transformer.", originals.original_clip(clip))
    else:
        second = originals.original_open_clip(meta(family, "text_encoder_2"))
        original |= originals.under("conditioner.embedders.0.transformer.", originals.original_clip(clip))
        original |= originals.under("conditioner.embedders.1.model.", second)
    return {
        f"{family}-unet-diffusers": unet,
        f"{family}-checkpoint": original,
        f"{family}-controlnet-diffusers": control(family),
        "vae-4-channels-diffusers": vae,
        "clip-l": originals.original_clip(clip),
    }


def meta(family: str, part: str) -> dict[str, Any]:
    """The state of a part with the family's real configuration, without any weight."""
    import diffusers
    import torch
    import transformers

    folder = CONFIGS / family / part
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        if "_class_name" in config:
            return getattr(diffusers, config["_class_name"]).from_config(config).state_dict()
        part_class = getattr(transformers, config["architectures"][0])
        return part_class(part_class.config_class(**config)).state_dict()


def control(family: str) -> dict[str, Any]:
    """A ControlNet for the family's UNet."""
    import diffusers
    import torch

    config = json.loads((CONFIGS / family / "unet" / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        unet: Any = diffusers.UNet2DConditionModel.from_config(config)
        return diffusers.ControlNetModel.from_unet(unet, load_weights_from_unet=False).state_dict()


def write(name: str, weights: Any) -> None:
    """One fixture: half-precision, as models are passed around."""
    shapes = {key: list(value.shape) for key, value in weights.items()}
    data = json.dumps({"dtype": "F16", "shapes": shapes}, separators=(",", ":")).encode()
    path = FIXTURES / f"{name}.json.gz"
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{path.relative_to(ROOT)}: {len(shapes)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
