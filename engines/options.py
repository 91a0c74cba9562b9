"""The parts of a request beyond words, size and steps: second pass, masks, canvas, tiles; the same through JSON."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

# Before the names of add-ons, so that a run's files and a record's hashes of several kinds can stand side by side.
EMBEDDING = "embedding:"
CONTROLNET = "controlnet:"
VAE = "vae:"
IP_ADAPTER = "ip-adapter:"
IP_ENCODER = "ip-encoder:"


class Option(BaseModel):
    """A part of a request: frozen, nothing unknown, no number without a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class LoraUse(Option):
    """A LoRA by the name of its file, and how much it counts."""

    file: str = Field(min_length=1, max_length=300, description="the file's name without its ending")
    weight: float = Field(default=1.0, ge=-10, le=10, description="how much it counts; 0 switches it off")
    text_weight: float | None = Field(
        default=None, ge=-10, le=10, description="how much it counts in the text encoder; none for the same as weight"
    )


class ControlUse(Option):
    """A ControlNet by the name of its file: the picture that it follows, and how much it counts from when to when."""

    file: str = Field(min_length=1, max_length=300, description="the file's name without its ending")
    image: str | None = Field(default=None, description="the picture to follow; none for the one that is redrawn")
    prepare: str = Field(default="none", description="what is made of the picture first: none, canny, tile, …")
    weight: float = Field(default=1.0, ge=0, le=2, description="how much it counts; 0 switches it off")
    start: float = Field(default=0.0, ge=0, le=1, description="the share of the steps after which it begins")
    end: float = Field(default=1.0, ge=0, le=1, description="the share of the steps after which it ends")
    low: float | None = Field(default=None, ge=0, le=1000, description="the preparer's first number (canny: 100)")
    high: float | None = Field(default=None, ge=0, le=1000, description="the preparer's second number (canny: 200)")

    def with_image(self, image: str | None) -> Self:
        """A copy that follows another picture."""
        return self.model_copy(update={"image": image})


class IpAdapterUse(Option):
    """An IP-Adapter by the name of its file, the picture that it looks at, and how much that counts."""

    file: str = Field(min_length=1, max_length=300, description="the file's name without its ending")
    image: str | None = Field(default=None, description="the picture whose look, style or subject is taken over")
    weight: float = Field(default=0.7, ge=0, le=2, description="how much it counts beside the words; 0 switches it off")

    def with_image(self, image: str | None) -> Self:
        """A copy that looks at another picture."""
        return self.model_copy(update={"image": image})


class Hires(Option):
    """A second pass that draws the picture again, larger: what other programs call hires fix."""

    scale: float = Field(default=2.0, ge=1, le=4, description="the second pass's sides in parts of the first one's")
    steps: int = Field(
        default=0, ge=0, le=150, description="sampling steps that really run; 0 for as many as the first"
    )
    strength: float = Field(default=0.5, gt=0, le=1, description="how much of the enlarged picture is redrawn")
    upscaler: str = Field(default="Lanczos", description="how the first picture is enlarged")


class Masking(Option):
    """How a mask is understood. Without it: as it is, on the whole picture."""

    blur: float = Field(default=0.0, ge=0, le=256, description="pixels; softens the mask's edge, and the seam with it")
    invert: bool = Field(default=False, description="repaint what is black instead")
    only_masked: bool = Field(
        default=False, description="work on the masked part alone, enlarged to width and height, and put it back"
    )
    padding: int = Field(default=32, ge=0, le=1024, description="pixels around the masked part that are looked at too")
    soft: bool = Field(default=False, description="grey parts of the mask change a little, white ones wholly")


class Outpaint(Option):
    """Pixels that are added around the picture; width and height are those of the whole, new picture."""

    left: int = Field(default=0, ge=0, le=4096)
    right: int = Field(default=0, ge=0, le=4096)
    top: int = Field(default=0, ge=0, le=4096)
    bottom: int = Field(default=0, ge=0, le=4096)
    overlap: int = Field(default=16, ge=0, le=512, description="pixels of the old picture that are redrawn at the seam")


class Tiles(Option):
    """An enlarged picture is redrawn tile by tile, so that its size is not the model's nor the memory's."""

    side: int = Field(default=0, ge=0, le=4096, description="pixels a tile; 0 for what the model was made for")
    overlap: int = Field(default=64, ge=0, le=1024, description="pixels that neighbours share; they are faded over")


class Shortcuts(Option):
    """Work that is left out of the steps: sooner done, and a slightly different picture. Without it nothing is left out."""

    every: int = Field(
        default=1,
        ge=1,
        le=8,
        description="run the denoiser in full every so many steps, and use again what its deep layers said; 1 for always",
    )
    change: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="transformers: run it in full, too, where its first block changed by more than this share",
    )
    guided_from: float = Field(
        default=0.0, ge=0, le=1, description="the share of the steps before which guidance is off"
    )
    guided_to: float = Field(default=1.0, ge=0, le=1, description="the share of the steps after which guidance is off")

    @property
    def reuses(self) -> bool:
        """Whether any step uses again what an earlier one said."""
        return self.every > 1

    @property
    def shortens_guidance(self) -> bool:
        """Whether some steps are without guidance."""
        return self.guided_from > 0 or self.guided_to < 1
