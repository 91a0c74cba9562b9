"""What the person typed, chose and painted and has not sent off yet: kept through reloads and crashes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.files import write_atomic
from app.inputs import InputStore
from app.models import ModelStore
from app.presets import PresetStore
from app.resolve import Resolved, resolve
from app.validate_passes import OPTION_TASKS
from app.wishes import Quality, Shape, grown_size, quality_values, size_for, trained_shape
from engines.api import EaselError, EngineFamily, GenerationRequest, Limits, Task, UserError, family_of, picture_size

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
# What a draft has fields of its own for; everything else that was set by hand lies in `values`.
FILES = ("init_image", "mask", "last_image", "init_video")
OWN_FIELDS = frozenset({"task", "prompt", "negative_prompt", "model", "count", "seed", *FILES})


class Draft(BaseModel):
    """The wish as it stands in a tab. An empty `model` or `preset` means that nobody chose one.

    `values` holds fields of the request that were set by hand. `init_image` and `mask` are "sha256:<hex>" of the input
    store, and so are `last_image` and `init_video`; `painting` is the painted layer behind the mask, so that it can be
    painted further.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: Task = Task.TEXT_TO_IMAGE
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    preset: str = ""
    shape: Shape = Shape.SQUARE
    quality: Quality = Quality.NORMAL
    count: int = Field(default=1, ge=1)
    seed: int | None = None
    keep_seed: bool = False
    values: dict[str, Any] = Field(default_factory=dict)
    init_image: str = ""
    mask: str = ""
    painting: str = ""
    last_image: str = ""
    init_video: str = ""

    def with_(self, **changes: object) -> Self:
        """A copy with some fields changed, validated again."""
        return type(self).model_validate({**self.model_dump(), **changes})

    def with_value(self, name: str, value: object) -> Self:
        """A copy with a field of the request set by hand; None gives it back to preset and model."""
        field, _dot, part = name.partition(".")
        if part:  # one of the numbers that an option consists of
            kept = self.values.get(field)
            return self.with_value(field, {**(kept if isinstance(kept, dict) else {}), part: value})
        rest = {key: each for key, each in self.values.items() if key != name}
        return self.with_(values=rest if value is None else {**rest, name: value})

    def emptied(self) -> Self:
        """A copy without words and pictures, for something new; how it is made (model, shape, quality) stays."""
        files = dict.fromkeys((*FILES, "painting"), "")
        return self.with_(prompt="", negative_prompt="", keep_seed=False, count=1, **files)

    def with_task(self, task: Task) -> Self:
        """A copy for another task; a picture's own outline is the usual one where there is a picture."""
        given = task.needs_image or task.needs_video
        shape = Shape.PICTURE if given else self.shape
        if not given and shape is Shape.PICTURE:
            shape = Shape.SQUARE
        if task.makes_video and not self.task.makes_video and shape is Shape.SQUARE:
            shape = Shape.WIDE  # what video models are trained on
        return self.with_(task=task, shape=shape, preset="" if task is not self.task else self.preset)

    def with_shape(self, shape: Shape, size: tuple[int, int]) -> Self:
        """A copy with another shape; a size of one's own begins with the one that is shown, `size`."""
        rest = {key: each for key, each in self.values.items() if key not in ("width", "height")}
        if shape is Shape.OWN:
            rest |= {"width": size[0], "height": size[1]}
        return self.with_(shape=shape, values=rest)

    def with_shape_of(self, found: EngineFamily) -> Self:
        """A copy for a model of the family `found`: a video takes on the outline that the family was trained on."""
        plain = self.task.makes_video and self.shape in (Shape.SQUARE, Shape.WIDE)
        return self.with_(shape=trained_shape(found)) if plain else self

    def with_request(self, request: GenerationRequest) -> Self:
        """A copy that asks for exactly this request again: same seed, same everything."""
        values = request.model_dump(mode="json", exclude=set(OWN_FIELDS), exclude_none=True)
        return self.with_(
            **{name: getattr(request, name) for name in ("task", "prompt", "negative_prompt", "model", "seed")},
            count=1,
            keep_seed=True,
            preset="",
            shape=Shape.OWN,
            quality=Quality.NORMAL,
            values=values,
            init_image=request.init_image or "",
            mask=request.mask or "",
            painting="",
            last_image=request.last_image or "",
            init_video=request.init_video or "",
        )


class DraftStore:
    """The drafts by tab, in one small file. A file that cannot be read is forgotten: it holds nothing that was sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # Held by whoever reads a draft, changes it and puts it back: two choices that come together must both be there.
        self.changing = threading.RLock()
        self._drafts = self._load()

    def get(self, tab: str) -> Draft:
        """The draft of a tab, an empty one when there is none."""
        with self._lock:
            return self._drafts.get(tab, Draft())

    def put(self, tab: str, draft: Draft) -> Draft:
        """Keep the draft; on disk when this returns, unless the disk is full, which must not stop anybody's typing."""
        with self._lock:
            if self._drafts.get(tab) == draft:
                return draft
            self._drafts[tab] = draft
            try:
                write_atomic(self._path, self._content())
            except OSError:
                log.warning("the draft could not be written", exc_info=True)
        return draft

    def _content(self) -> bytes:
        drafts = {tab: draft.model_dump(mode="json") for tab, draft in self._drafts.items()}
        return json.dumps({"schema_version": SCHEMA_VERSION, "drafts": drafts}, ensure_ascii=False).encode()

    def _load(self) -> dict[str, Draft]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data["schema_version"] != SCHEMA_VERSION:
                return {}
            return {tab: Draft.model_validate(each) for tab, each in data["drafts"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ValidationError, RecursionError):
            log.warning("the drafts cannot be read and are begun anew", exc_info=True)
            return {}


class DraftResolver:
    """From a draft to a request: the same `resolve` as everywhere, with shape and quality turned into numbers."""

    def __init__(
        self,
        models: ModelStore,
        presets: PresetStore,
        inputs: InputStore,
        usual: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """`usual` gives the fields that the settings decide."""
        self._models, self._presets, self._inputs, self._usual = models, presets, inputs, usual

    def resolve(self, draft: Draft) -> Resolved:
        """The request of the draft, each value with its origin. Raises `UserError` as `app.resolve.resolve` does."""
        usual = self._resolve(draft, {})
        found = family_of(usual.record)
        limits = found.limits
        if found.video is None or not found.video.last_image:
            draft = draft.with_(last_image="")  # of another model; it is kept, and not sent
        request = usual.request
        picture = self._picture(draft)
        size = self._size(draft, request, limits, picture)
        values = {
            **quality_values(draft.quality, request, found),
            "width": size[0],
            "height": size[1],
        }
        if request.outpaint is not None and picture is not None:
            # What is added decides the size: nothing else would keep the picture as it is.
            grown = grown_size(picture, request.outpaint, limits)
            draft = draft.with_(values={**draft.values, "width": grown[0], "height": grown[1]})
        return self._resolve(draft, values)

    def _resolve(self, draft: Draft, wishes: dict[str, Any]) -> Resolved:
        values = {
            "task": draft.task,
            "prompt": draft.prompt,
            "negative_prompt": draft.negative_prompt,
            "count": draft.count,
            "seed": draft.seed if draft.keep_seed and draft.seed is not None else -1,
        }
        if draft.task.needs_image:
            values["init_image"] = draft.init_image or None
        if draft.task.needs_video:
            values["init_video"] = draft.init_video or None
        if draft.task is Task.IMAGE_TO_VIDEO:
            values["last_image"] = draft.last_image or None
        if draft.task.needs_mask:
            values["mask"] = draft.mask or None
        preset = self._presets.get(draft.preset) if draft.preset else None
        model = draft.model or None
        own = {
            name: value for name, value in draft.values.items() if draft.task in OPTION_TASKS.get(name, (draft.task,))
        }
        wished = {**values, **wishes, **own}
        path_of = self._inputs.path_of
        return resolve(
            models=self._models, preset=preset, model=model, values=wished, usual=self._usual(), path_of=path_of
        )

    def _size(
        self, draft: Draft, request: GenerationRequest, limits: Limits, picture: tuple[int, int] | None
    ) -> tuple[int, int]:
        usual = (request.width, request.height)
        if draft.task.needs_video and draft.shape is Shape.PICTURE:
            return usual  # `resolve` has looked at the video
        return size_for(draft.shape, usual, limits, picture)

    def _picture(self, draft: Draft) -> tuple[int, int] | None:
        if not draft.init_image:
            return None
        try:
            return picture_size(self._inputs.path_of(draft.init_image))
        except EaselError:
            return None  # submit will say what is wrong with it; the panel must still be shown


def usable(draft: Draft, models: ModelStore, presets: PresetStore) -> Draft:
    """The draft without a model or preset that is gone, and without fields that this version does not know."""
    known = {name: value for name, value in draft.values.items() if name in GenerationRequest.model_fields}
    return draft.with_(
        model=draft.model if _exists(models, draft.model) else "",
        preset=draft.preset if _exists(presets, draft.preset) else "",
        values=known,
    )


def _exists(store: ModelStore | PresetStore, name: str) -> bool:
    if not name:
        return False
    try:
        store.get(name)
    except UserError:
        return False
    return True
