"""Words and pictures for Qwen2.5-VL, as `Qwen2VLProcessor` makes them: that class asks for torchvision, for videos alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAD = "<|image_pad|>"  # stands for a picture in the text, once for each token that the picture becomes
CONFIG = "preprocessor_config.json"


class PictureWords:
    """Turns text with pictures into tensors. Same numbers on every machine: pictures are scaled by Pillow alone."""

    def __init__(self, tokenizer: Any, pictures: Any) -> None:
        self.tokenizer, self.image_processor = tokenizer, pictures

    @classmethod
    def from_pretrained(cls, folder: Path, **_options: Any) -> PictureWords:
        """Read a processor's folder, as it lies in a model: a tokenizer and `preprocessor_config.json`."""
        import transformers

        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tokenizer = transformers.Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
        return cls(tokenizer, transformers.Qwen2VLImageProcessorPil(**_known(config)))

    def __call__(
        self, text: list[str], images: Any = None, padding: bool = True, return_tensors: str = "pt", **_options: Any
    ) -> Any:
        """A batch of `input_ids`, `attention_mask`, and of `pixel_values` and `image_grid_thw` where there are pictures."""
        from transformers import BatchFeature

        seen = {} if images is None else dict(self.image_processor(images=images, return_tensors=return_tensors))
        tokens = [int(grid.prod()) // self.image_processor.merge_size**2 for grid in seen.get("image_grid_thw", ())]
        written = [self._with_room(each, iter(tokens)) for each in text]
        return BatchFeature({**self.tokenizer(written, padding=padding, return_tensors=return_tensors), **seen})

    @staticmethod
    def _with_room(text: str, tokens: Any) -> str:
        """The text with each picture's mark repeated as often as it has tokens."""
        first, *rest = text.split(PAD)
        return first + "".join(PAD * next(tokens, 1) + part for part in rest)


def _known(config: dict[str, Any]) -> dict[str, Any]:
    """The values that say how pictures are scaled; names of classes are not passed on."""
    names = ("min_pixels", "max_pixels", "patch_size", "temporal_patch_size", "merge_size", "image_mean", "image_std")
    return {name: config[name] for name in (*names, "size") if config.get(name) is not None}


Qwen2VLProcessor = PictureWords  # the name that model folders have for it
