"""What every published model that Easel lists must be told as: by fixture, family and variants."""

from __future__ import annotations

from engines.identify import Kind

# Transformers and UNets; "-diffusers" is added for the library's own layout where both exist.
TRANSFORMERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "chroma-diffusers": ("chroma", ()),
    "cogvideox-2b-diffusers": ("cogvideox", ()),
    "cogvideox-5b-diffusers": ("cogvideox", ()),
    "cogvideox-5b-i2v-diffusers": ("cogvideox", ("picture",)),
    "cogvideox-1.5-5b-diffusers": ("cogvideox", ()),
    "cogvideox-1.5-5b-i2v-diffusers": ("cogvideox", ("picture",)),
    "flux-dev-diffusers": ("flux", ()),
    "flux-schnell-diffusers": ("flux", ("schnell",)),
    "flux-fill-diffusers": ("flux", ("fill",)),
    "hunyuan-video15-diffusers": ("hunyuan-video15", ()),
    "qwen-image-diffusers": ("qwen-image", ()),
    "sana-sprint-diffusers": ("sana", ("sprint",)),
    "sd15-unet-diffusers": ("sd15", ()),
    "sd2-unet-diffusers": ("sd2", ()),
    "sdxl-unet-diffusers": ("sdxl", ()),
    "sd3-medium-diffusers": ("sd3", ()),
    "sd3-large-diffusers": ("sd3", ()),
    "svd-unet-diffusers": ("svd", ()),
}
BOTH_LAYOUTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "flux2-klein-4b": ("flux2", ()),
    "flux2-klein-9b": ("flux2", ("9b",)),
    "flux2-dev": ("flux2", ("dev",)),
    "hunyuan-video": ("hunyuan-video", ()),
    "hunyuan-video-i2v": ("hunyuan-video", ("picture",)),
    "ltx-2b": ("ltx", ()),
    "ltx-13b": ("ltx", ()),
    "ltx2": ("ltx2", ()),
    "lumina2": ("lumina2", ()),
    "sana-1.6b": ("sana", ()),
    "sana-0.6b": ("sana", ()),
    "sana-4.8b": ("sana", ()),
    "wan-1.3b": ("wan", ()),
    "wan-14b": ("wan", ()),
    "wan-14b-i2v": ("wan", ("picture",)),
    "wan-14b-flf2v": ("wan", ("picture", "first-last")),
    "wan-a14b-i2v": ("wan", ("picture-two",)),
    "wan-5b": ("wan", ("both",)),
    "z-image": ("z-image", ()),
}
TRANSFORMERS |= BOTH_LAYOUTS | {f"{name}-diffusers": told for name, told in BOTH_LAYOUTS.items()}

# Other parts: fixture to kind, and to every family and part that can use it.
PARTS: dict[str, tuple[Kind, frozenset[tuple[str, str]]]] = {
    "vae-flux2": (Kind.VAE, frozenset({("flux2", "vae")})),
    "vae-dc": (Kind.VAE, frozenset({("sana", "vae")})),
    "vae-16-channels": (
        Kind.VAE,
        frozenset({("flux", "vae"), ("sd3", "vae"), ("chroma", "vae"), ("z-image", "vae"), ("lumina2", "vae")}),
    ),
    "vae-wan": (Kind.VAE, frozenset({("wan", "vae"), ("qwen-image", "vae")})),
    "vae-wan-5b": (Kind.VAE, frozenset({("wan", "vae@both")})),
    "t5-xxl": (
        Kind.TEXT_ENCODER,
        frozenset(
            {
                ("flux", "text_encoder_2"),
                ("sd3", "text_encoder_3"),
                ("chroma", "text_encoder"),
                ("ltx", "text_encoder"),
                ("cogvideox", "text_encoder"),
            }
        ),
    ),
    "umt5-xxl": (Kind.TEXT_ENCODER, frozenset({("wan", "text_encoder")})),
    "gemma2-2b": (Kind.TEXT_ENCODER, frozenset({("lumina2", "text_encoder"), ("sana", "text_encoder")})),
    "qwen3-4b": (Kind.TEXT_ENCODER, frozenset({("z-image", "text_encoder"), ("flux2", "text_encoder")})),
    "qwen3-8b": (Kind.TEXT_ENCODER, frozenset({("flux2", "text_encoder@9b")})),
    "qwen2.5-vl-7b": (Kind.TEXT_ENCODER, frozenset({("qwen-image", "text_encoder")})),
    "llama3-8b": (Kind.TEXT_ENCODER, frozenset({("hunyuan-video", "text_encoder")})),
    "animatediff-motion": (Kind.MOTION, frozenset({("animatediff", "motion")})),
}
