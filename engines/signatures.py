"""What parts look like that several families share: text encoders and decoders, each written down once."""

from __future__ import annotations

from engines.detection import ANY, Signature

# UMT5 has T5's names and, unlike T5, a table of positions in every block.
T5_XXL = Signature(
    {"encoder.block.0.layer.0.SelfAttention.q.weight": (None, 4096)},
    lacks=("encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight",),
)
UMT5_XXL = Signature(
    {
        "encoder.block.0.layer.0.SelfAttention.q.weight": (None, 4096),
        "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight": ANY,
    }
)
CLIP_L = Signature({"encoder.layers.0.mlp.fc1.weight": (None, 768)}, lacks=("vision_model.*",))

# Language models by the width of their words, and by what only their architecture has.
QWEN3_4B = Signature({"model.embed_tokens.weight": (None, 2560), "model.layers.0.self_attn.q_norm.weight": ANY})
QWEN3_8B = Signature({"model.embed_tokens.weight": (None, 4096), "model.layers.0.self_attn.q_norm.weight": ANY})
GEMMA2_2B = Signature(
    {"model.embed_tokens.weight": (None, 2304), "model.layers.0.pre_feedforward_layernorm.weight": (2304,)}
)
LLAMA3_8B = Signature({"model.embed_tokens.weight": (128320, 4096), "model.layers.0.mlp.gate_proj.weight": ANY})
# With its eyes: as its makers, older and newer libraries and other programs name it.
QWEN_VL_7B = (
    Signature({"model.embed_tokens.weight": (None, 3584), "visual.blocks.0.norm1.weight": (1280,)}),
    Signature({"model.language_model.embed_tokens.weight": (None, 3584), "model.visual.blocks.0.norm1.weight": ANY}),
)

# The decoder of Wan 2.1, as its makers and as diffusers name it. Qwen-Image has one of the same shapes.
WAN_VAE = (
    Signature({"decoder.conv1.weight": (None, 16, 3, 3, 3), "decoder.middle.0.residual.0.gamma": ANY}),
    Signature({"decoder.conv_in.weight": (None, 16, 3, 3, 3), "decoder.mid_block.resnets.0.norm1.gamma": ANY}),
)
