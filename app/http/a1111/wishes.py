"""From an A1111 request to the values of ours. Unknown keys are ignored, as A1111's clients count on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.http import pictures
from app.http.a1111.controlnet import controls_of
from app.http.desk import Desk
from app.sampler_names import fitting, recognised, schedule_of
from app.styles import Style, StyleStore, apply_styles
from engines.api import LATENT_FILTERS, SEED_MAX, EngineFamily, ImageFormat, ModelRecord, Task, UserError, family_of

LIMIT = 100_000  # characters of a prompt


def _text(value: Any) -> Any:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_text), Field(max_length=LIMIT)]


class Wish(BaseModel):
    """What both kinds of generation have. What is absent, null or empty follows the model, not A1111's defaults."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    prompt: Text = Field(default="", description="what to draw")
    negative_prompt: Text = Field(default="", description="what to keep out")
    seed: int | None = Field(default=-1, description="-1 draws one; image i has seed + i")
    sampler_name: str | None = Field(default=None, description="a name of GET samplers")
    sampler_index: str | None = Field(default=None, description="an older word for sampler_name")
    scheduler: str | None = Field(
        default=None, description='a name or label of GET schedulers; "automatic" is the usual one'
    )
    styles: list[str] | None = Field(default=None, description="names of GET prompt-styles; unknown ones are ignored")
    steps: int | None = Field(default=None, ge=1)
    cfg_scale: float | None = Field(default=None, ge=0)
    width: int | None = Field(default=None, ge=1, description="pixels; rounded to what the model can do")
    height: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=1, ge=1, le=1000)
    n_iter: int | None = Field(default=1, ge=1, le=1000)
    clip_skip: int | None = None
    denoising_strength: float | None = Field(default=None, ge=0, le=1)
    enable_hr: bool | None = Field(default=False, description="draw it again, larger")
    hr_scale: float | None = Field(default=2, ge=0, le=16)
    hr_upscaler: str | None = Field(default=None, description="a name of GET upscalers; Latent and such are known too")
    hr_second_pass_steps: int | None = Field(default=0, ge=0, le=150)
    hr_resize_x: int | None = Field(default=0, ge=0)
    hr_resize_y: int | None = Field(default=0, ge=0)
    override_settings: dict[str, Any] | None = Field(
        default=None, description="sd_model_checkpoint, CLIP_stop_at_last_layers"
    )
    alwayson_scripts: dict[str, Any] | None = Field(default=None, description="controlnet is followed, others are not")
    send_images: bool | None = True


class ImageWish(Wish):
    """img2img: pictures and a mask as base64; white is repainted."""

    init_images: list[str] | None = None
    mask: str | None = None
    mask_blur: float | None = Field(default=4, ge=0, le=1000)
    inpainting_mask_invert: int | bool | None = 0
    inpaint_full_res: int | bool | None = Field(default=False, description="work on the masked part alone, enlarged")
    inpaint_full_res_padding: int | None = Field(default=32, ge=0, le=1024)
    include_init_images: bool | None = False


def model_of(desk: Desk, wish: Wish) -> ModelRecord:
    """The model that is asked for here, else the one that was set in the options, else the usual one."""
    named = (wish.override_settings or {}).get("sd_model_checkpoint") or desk.options.get("sd_model_checkpoint")
    return desk.find_model(str(named)) if named else desk.services.models.default()


def styles_of(desk: Desk) -> tuple[Style, ...]:
    """The person's styles, and the presets that have words."""
    presets = (
        Style(each.id, str(each.values.get("prompt") or ""), str(each.values.get("negative_prompt") or ""))
        for each in desk.services.presets.all()
    )
    worded = [each for each in presets if each.prompt or each.negative_prompt]
    return (*StyleStore(desk.services.paths.styles).usable(), *worded)


def values_of(desk: Desk, wish: Wish, record: ModelRecord) -> dict[str, Any]:
    """The fields of a request; None where the wish says nothing."""
    described = family_of(record)
    sampler, schedule = _sampler(wish, described)
    styles = [each for name in wish.styles or () for each in styles_of(desk) if each.name == name]
    prompt, negative_prompt = apply_styles(styles, wish.prompt, wish.negative_prompt)
    return {
        "task": Task.TEXT_TO_IMAGE,
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "seed": _seed(wish.seed),
        "sampler": sampler,
        "scheduler": schedule,
        "steps": wish.steps,
        "guidance": wish.cfg_scale,
        "width": rounded(wish.width, described),
        "height": rounded(wish.height, described),
        "count": (wish.batch_size or 1) * (wish.n_iter or 1),
        "clip_skip": _clip_skip(desk, wish, described),
        "image_format": _format(desk, wish),
        "hires": _hires(wish, described),
        "vae": _vae(desk, wish),
        "controls": controls_of(desk, wish.alwayson_scripts),
    }


def image_values(desk: Desk, wish: ImageWish) -> dict[str, Any]:
    """The fields that a start picture and a mask add. Raises `UserError("init-image-needed")`."""
    if not wish.init_images:
        raise UserError("init-image-needed", task=str(Task.IMAGE_TO_IMAGE))
    inputs, data = desk.services.inputs, pictures.decode(wish.init_images[0])
    values: dict[str, Any] = {
        "task": Task.IMAGE_TO_IMAGE,
        "init_image": pictures.kept(inputs, data),
        "strength": wish.denoising_strength,
    }
    if wish.mask:
        mask = pictures.kept_mask(inputs, pictures.decode(wish.mask), pictures.upright_size(data), alpha=False)
        values |= {"task": Task.INPAINT, "mask": mask, "masking": _masking(wish)}
    return values


def _masking(wish: ImageWish) -> dict[str, Any]:
    return {
        "blur": min(wish.mask_blur if wish.mask_blur is not None else 4, 256),
        "invert": bool(wish.inpainting_mask_invert),
        "only_masked": bool(wish.inpaint_full_res),
        "padding": wish.inpaint_full_res_padding or 0,
    }


def _hires(wish: Wish, described: EngineFamily) -> dict[str, Any] | None:
    """The second pass; a size that is asked for counts before the factor."""
    if not wish.enable_hr:
        return None
    scale = wish.hr_scale or 2.0
    if wish.hr_resize_x and wish.width:
        scale = wish.hr_resize_x / wish.width
    elif wish.hr_resize_y and wish.height:
        scale = wish.hr_resize_y / wish.height
    strength = 0.75 if wish.denoising_strength is None else wish.denoising_strength
    found: dict[str, Any] = {"scale": scale, "steps": wish.hr_second_pass_steps or 0, "strength": max(strength, 0.01)}
    named = wish.hr_upscaler if wish.hr_upscaler not in (None, "", "None") else "Lanczos"
    # Latents that are packed cannot be enlarged as they are; the picture can.
    packed = named in LATENT_FILTERS and described.latent.layout != "plain"
    return {**found, "upscaler": "Lanczos" if packed else named}


def rounded(side: int | None, described: EngineFamily) -> int | None:
    """A side as the nearest multiple that the family takes: A1111 takes any number, and so do its clients."""
    if side is None:
        return None
    multiple = described.limits.side_multiple
    return max(multiple, round(side / multiple) * multiple)


def _sampler(wish: Wish, described: EngineFamily) -> tuple[str | None, str | None]:
    """Sampler and schedule by any of their names, older spellings with both in one word included."""
    name = (wish.sampler_name or wish.sampler_index or "").strip()
    label = (wish.scheduler or "").strip()
    sampler, schedule = recognised(name) if name else (None, None)
    if label and label.lower() != "automatic":
        schedule = schedule_of(label)
    return fitting(described, sampler, schedule)


def _seed(seed: int | None) -> int:
    return -1 if seed is None or seed < 0 else seed % (SEED_MAX + 1)


def _format(desk: Desk, wish: Wish) -> ImageFormat:
    """PNG unless a client asks: that is what they are made for, whatever the person saves her own pictures as."""
    settings = {**desk.options, **(wish.override_settings or {})}
    try:
        return ImageFormat(str(settings.get("samples_format") or "png"))
    except ValueError:
        return ImageFormat.PNG


def _vae(desk: Desk, wish: Wish) -> str | None:
    """The VAE that is asked for by name, with or without its ending; "Automatic" and "None" are the model's own."""
    named = str({**desk.options, **(wish.override_settings or {})}.get("sd_vae") or "").strip()
    return None if named.casefold() in ("", "automatic", "none") else named


def _clip_skip(desk: Desk, wish: Wish, described: EngineFamily) -> int | None:
    settings = {**desk.options, **(wish.override_settings or {})}
    given = settings.get("CLIP_stop_at_last_layers", wish.clip_skip)
    if not isinstance(given, int | float) or given < 1:
        return None
    return min(int(given), described.limits.max_clip_skip)
