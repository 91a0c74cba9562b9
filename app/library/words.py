"""Tokenizers that other programs bring along: with them, a lone file in those programs' folders is whole without a download.

Sources: ComfyUI `comfy/text_encoders`, Forge `backend/huggingface`. They are data, read in place like the models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from app.library.layouts import Root

FILES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model", "tokenizer_config.json")
# By program: the kind of words, as families name it, and the folder below the program's own.
PLACES: Mapping[str, Mapping[str, str]] = {
    "ComfyUI": {
        "t5": "comfy/text_encoders/t5_tokenizer",
        "qwen2.5-vl": "comfy/text_encoders/qwen25_tokenizer",
        "llama3": "comfy/text_encoders/llama_tokenizer",
        "byt5": "comfy/text_encoders/byt5_tokenizer",
    },
    "Forge": {"t5": "backend/huggingface/black-forest-labs/FLUX.1-dev/tokenizer_2"},
}


def program_tokenizers(roots: Iterable[Root], kind: str) -> Iterator[Path]:
    """Folders with words of this kind in the programs that the roots belong to."""
    for root in dict.fromkeys(roots):
        inside = PLACES.get(root.program, {}).get(kind)
        if inside is None:
            continue
        for home in (root.path, root.path.parent):  # the person may have named the program's folder or its models
            if any((home / inside / name).is_file() for name in FILES):
                yield home / inside
                break
