"""Tiny random-weight models, one of each family: real topology, real files, no meaning. For tests and `easel self-test`."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

from engines.family import EngineFamily, TinyPart
from engines.messages import RESOURCES
from engines.tiny_text import KINDS, VOCABULARY, write_processor, write_tokenizer

TINY_FRAMES = 9  # about as many frames as a tiny model makes when nobody says how many
TOKENIZER = RESOURCES / "starter" / "image" / "tokenizer"


def make_tiny_model(family: EngineFamily, folder: Path, seed: int = 0) -> Path:
    """Write the family's tiny model as a diffusers folder; the same seed gives the same bytes. Returns `folder`."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"_class_name": family.tiny.pipeline_class, "_diffusers_version": _diffusers_version()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, part in family.tiny.parts.items():
            _write_part(part, folder / name, family)
            index[name] = [part.library, part.class_name]
    index.update(family.tiny.extra)
    (folder / "model_index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    (folder / "easel.json").write_text(json.dumps(_card(family), indent=1), encoding="utf-8")
    return folder


def _write_part(part: TinyPart, folder: Path, family: EngineFamily) -> None:
    if part.class_name in KINDS:
        write_tokenizer(part.class_name, folder)
    elif "Tokenizer" in part.class_name:
        shutil.copytree(TOKENIZER, folder, dirs_exist_ok=True)
    elif part.class_name == "Qwen2VLProcessor":
        write_processor(folder, part.config)
    elif part.library == "transformers":
        _made(part).save_pretrained(folder)
    else:
        module = importlib.import_module(family.part_modules.get(part.class_name, "diffusers"))
        getattr(module, part.class_name)(**part.config).save_pretrained(folder)


def _made(part: TinyPart) -> Any:
    """A part of the transformers library, made from its configuration."""
    import transformers

    if part.class_name.startswith("CLIPTextModel"):
        return _text_encoder(part)
    part_class = getattr(transformers, part.class_name)
    if not hasattr(part_class, "config_class"):
        return part_class(**part.config)
    has_words = "Vision" not in part.class_name and "text_config" not in part.config
    words = {"vocab_size": VOCABULARY} if has_words else {}
    return part_class(part_class.config_class(**words, **part.config))


def _text_encoder(part: TinyPart) -> Any:
    import transformers

    tokens = _token_ids()
    config = transformers.CLIPTextConfig(**{**part.config, **tokens, "max_position_embeddings": 77})
    return getattr(transformers, part.class_name)(config)


def _token_ids() -> dict[str, int]:
    vocabulary = json.loads((TOKENIZER / "vocab.json").read_text(encoding="utf-8"))
    end = vocabulary["<|endoftext|>"]
    return {
        "vocab_size": len(vocabulary),
        "bos_token_id": vocabulary["<|startoftext|>"],
        "eos_token_id": end,
        "pad_token_id": end,
    }


def _card(family: EngineFamily) -> dict[str, Any]:
    size = {"width": family.tiny.width, "height": family.tiny.height, "steps": 4}
    if family.video is not None:
        size["frames"] = family.video.nearest(TINY_FRAMES)[0]
    return {
        "id": f"tiny-{family.key}",
        "title": f"Tiny {family.title}",
        "defaults": size,
        "description": "Random weights for tests: pictures without meaning.",
    }


def _diffusers_version() -> str:
    import diffusers

    return diffusers.__version__
