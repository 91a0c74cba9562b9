"""Parts that several families' tiny models have in common: text encoders of the usual kinds, with random weights."""

from __future__ import annotations

from engines.family import TinyPart

WIDTH = 32  # of what the encoders return; denoisers of tiny models are told this number

T5 = TinyPart(
    "transformers", "T5EncoderModel", {"d_model": WIDTH, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}
)
UMT5 = TinyPart("transformers", "UMT5EncoderModel", dict(T5.config))
T5_TOKENIZER = TinyPart("transformers", "T5TokenizerFast")
CLIP_TEXT = TinyPart(
    "transformers",
    "CLIPTextModel",
    {
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 32,
    },
)
CLIP_TOKENIZER = TinyPart("transformers", "CLIPTokenizer")
CLIP_VISION = TinyPart(
    "transformers",
    "CLIPVisionModelWithProjection",
    {
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": WIDTH,
        "image_size": 32,
        "patch_size": 8,
    },
)
CLIP_PICTURES = TinyPart(
    "transformers", "CLIPImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
)
LLAMA = TinyPart(
    "transformers",
    "LlamaModel",
    {
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
    },
)
LLAVA = TinyPart(
    "transformers",
    "LlavaForConditionalGeneration",
    {
        "text_config": {"model_type": "llama", "vocab_size": 320, **LLAMA.config},
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": 8,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "projection_dim": 8,
            "image_size": 336,
            "patch_size": 14,
        },
        "image_token_index": 4,
        "pad_token_id": 0,
    },
)
QWEN_TEXT = TinyPart(
    "transformers",
    "Qwen2_5_VLTextModel",
    {
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    },
)
SIGLIP = TinyPart(
    "transformers",
    "SiglipVisionModel",
    {
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "image_size": 54,
        "patch_size": 2,
    },
)
SIGLIP_PICTURES = TinyPart("transformers", "SiglipImageProcessor", {"size": {"height": 54, "width": 54}})
GEMMA3 = TinyPart(
    "transformers",
    "Gemma3ForConditionalGeneration",
    {
        "text_config": {
            "vocab_size": 320,
            "hidden_size": WIDTH,
            "intermediate_size": 37,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        "vision_config": {
            "hidden_size": 8,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
    },
)
