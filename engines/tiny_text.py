"""Tokenizers for tiny models, built in code: one token a byte, the special tokens of their kind, files like the real ones'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VOCABULARY = 320  # tokens that the encoders of tiny models have room for: 256 bytes and the special ones
LENGTH = 64  # tokens


@dataclass(frozen=True)
class Kind:
    """Special tokens in the order of their numbers, what they are for, and what stands around a text."""

    special: tuple[str, ...]
    roles: Mapping[str, str]
    frame: str = "$A"
    chat: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


T5 = Kind(("<pad>", "</s>", "<unk>"), {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}, "$A </s>")
CHAT = "{% for m in messages %}<|im_start|>{{ m['role'] }} {% if m['content'] is string %}{{ m['content'] }}{% else %}{{ m['content'][0]['text'] }}{% endif %}<|im_end|>{% endfor %}"  # noqa: E501
QWEN = Kind(
    (
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|image_pad|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|video_pad|>",
    ),
    {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"},
    chat=CHAT,
)
GEMMA = Kind(
    ("<pad>", "<eos>", "<bos>", "<unk>"),
    {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"},
    "<bos> $A",
    chat=CHAT,
)
LLAMA = Kind(
    ("<pad>", "<s>", "</s>", "<unk>", "<image>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"},
    "<s> $A",
)
KINDS: Mapping[str, Kind] = {
    "T5TokenizerFast": T5,
    "T5Tokenizer": T5,
    "ByT5Tokenizer": T5,
    "Qwen2Tokenizer": QWEN,
    "Qwen2TokenizerFast": QWEN,
    "GemmaTokenizer": GEMMA,
    "GemmaTokenizerFast": GEMMA,
    "LlamaTokenizer": LLAMA,
    "LlamaTokenizerFast": LLAMA,
}


def write_tokenizer(class_name: str, folder: Path, **settings: Any) -> None:
    """Write the files of a tokenizer that `class_name` of transformers loads. `settings` go into its configuration."""
    if class_name == "ByT5Tokenizer":
        from transformers import ByT5Tokenizer

        ByT5Tokenizer(extra_ids=0, model_max_length=LENGTH).save_pretrained(folder)
        return
    from transformers import PreTrainedTokenizerFast

    kind = KINDS[class_name]
    options = {"model_max_length": LENGTH, "extra_ids": 0, **kind.settings, **settings}
    made = PreTrainedTokenizerFast(tokenizer_object=_tokenizer(kind, unigram=kind is T5), **kind.roles, **options)
    made.chat_template = kind.chat
    made.save_pretrained(folder)


def _tokenizer(kind: Kind, unigram: bool) -> Any:
    """T5's class takes a list of pieces with scores, the others byte-level pairs without a merge."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    if unigram:
        pieces = [*kind.special, "▁", *(chr(code) for code in range(33, 127))]
        made = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=pieces.index("<unk>")))
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()  # pyright: ignore
    else:
        vocabulary = {
            piece: index for index, piece in enumerate([*kind.special, *sorted(pre_tokenizers.ByteLevel.alphabet())])
        }
        made = Tokenizer(models.BPE(vocabulary, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
        made.decoder = decoders.ByteLevel()  # pyright: ignore
    made.add_special_tokens(list(kind.special))
    marks = [(token, index) for index, token in enumerate(kind.special) if token in kind.frame.split()]
    made.post_processor = processors.TemplateProcessing(single=kind.frame, special_tokens=marks)  # pyright: ignore
    return made


def write_processor(folder: Path, pictures: Mapping[str, Any]) -> None:
    """Write what reads words and pictures together: Qwen's tokenizer and the sizes of `pictures`."""
    write_tokenizer("Qwen2Tokenizer", folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(pictures)), encoding="utf-8")
