"""What guides a picture, in the Advanced panel: embeddings to put into the words, and ControlNets with their pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from app.drafts import Draft
from app.services import Services
from app.ui.controls import Situation
from app.ui.in_turn import QUIET, in_turn
from app.ui.words import Words
from engines.api import PREPARERS, EaselError, Kind

NUMBERS = {"weight": (0.0, 2.0), "start": (0.0, 1.0), "end": (0.0, 1.0)}  # low and high
Updates = dict[Any, Any]


@dataclass(frozen=True)
class Guide:
    """A kind of guide: its field of the request, the kind of its files, its texts, and the values that it has."""

    field: str
    kind: Kind
    texts: str
    prepares: bool
    usual: Mapping[str, float]
    slots: int  # that the page offers; command line and API take four


GUIDES = (
    Guide("controls", Kind.CONTROLNET, "control", True, {"weight": 1.0, "start": 0.0, "end": 1.0}, 2),
    Guide("ip_adapters", Kind.IP_ADAPTER, "look", False, {"weight": 0.7}, 1),
)


class Slot:
    """The components of one guide; `place` is its place in the request's list."""

    def __init__(self, words: Words, tab: str, guide: Guide, place: int) -> None:
        self.guide, self.place, self._words = guide, place, words
        name, mark = guide.texts, f"{tab}-{guide.texts}-{place}"
        self.file = gr.Dropdown([], label=words(f"{name}.file"), info=words(f"{name}.file.info"), elem_id=mark)
        self.picture = gr.Image(
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            label=words(f"{name}.image"),
            height=180,
            visible=False,
            elem_id=f"{mark}-picture",
            buttons=[],
        )
        choices = [(words(f"control.prepare.{each}"), each) for each in PREPARERS]
        prepare = gr.Dropdown(choices, value="none", label=words("control.prepare"), visible=False)
        self.values: dict[str, Any] = {"prepare": prepare} if guide.prepares else {}
        for each, usual in guide.usual.items():
            low, high = NUMBERS[each]
            self.values[each] = gr.Slider(low, high, usual, step=0.05, label=words(f"{name}.{each}"), visible=False)

    @property
    def components(self) -> list[Any]:
        """All of them."""
        return [self.file, self.picture, *self.values.values()]

    def updates(self, uses: list[dict[str, Any]], files: list[str], picture: Any) -> Updates:
        """What they must look like for the draft's `uses`; `files` are those that fit the model."""
        use = uses[self.place] if self.place < len(uses) else {}
        chosen, offered = bool(use), bool(files) and self.place <= len(uses)
        names = list(dict.fromkeys([*files, *([use["file"]] if use else [])]))
        choices = [(self._words("control.none"), ""), *((name, name) for name in names)]
        usual: dict[str, Any] = {"prepare": "none", **self.guide.usual}
        return {
            self.file: gr.update(choices=choices, value=use.get("file", ""), visible=offered),
            self.picture: gr.update(visible=chosen, **picture),
            **{each: gr.update(value=use.get(name, usual[name]), visible=chosen) for name, each in self.values.items()},
        }


class GuideControls:
    """Everything of the fold, over the tab's draft: `draft` gives it, `keep` keeps a changed one."""

    def __init__(
        self, services: Services, words: Words, tab: str, draft: Callable[[], Draft], keep: Callable[[Draft], Draft]
    ) -> None:
        self._services, self._words, self._draft, self._keep = services, words, draft, keep
        self.embedding = gr.Dropdown(
            [], label=words("embedding"), info=words("embedding.info"), elem_id=f"{tab}-embedding", visible=False
        )
        with gr.Row():
            self.into_prompt = gr.Button(words("embedding.prompt"), size="sm", visible=False)
            self.into_negative = gr.Button(words("embedding.negative"), size="sm", visible=False)
        self.vae = gr.Dropdown([], label=words("field.vae"), info=words("field.vae.info"), visible=False)
        self.slots = [Slot(words, tab, guide, place) for guide in GUIDES for place in range(guide.slots)]

    @property
    def changing(self) -> AbstractContextManager[object]:
        """Whoever changes the draft holds this."""
        return self._services.drafts.changing

    @property
    def components(self) -> list[Any]:
        """Those that follow from the draft."""
        slots = [component for slot in self.slots for component in slot.components]
        return [self.embedding, self.into_prompt, self.into_negative, self.vae, *slots]

    def wire(
        self,
        structural: list[Any],
        after: Callable[[], Updates],
        texts: list[Any],
        notice: Any,
        guarded: Callable[[Callable[[], object]], str],
    ) -> None:
        """Connect the events; `after` gives what `structural` must look like, `texts` are prompt and negative prompt.

        `guarded` runs something and returns what the `notice` says about its error.
        """
        self._guarded = guarded
        for button, field in ((self.into_prompt, "prompt"), (self.into_negative, "negative_prompt")):
            button.click(partial(self._put, field), [self.embedding, *texts], texts, **QUIET)
        self.vae.input(self._vae_chosen, self.vae, None, **QUIET)
        for slot in self.slots:
            slot.file.input(partial(self._chosen, slot, after), slot.file, structural, **QUIET)
            slot.picture.input(partial(self._pictured, slot), slot.picture, notice, **QUIET)
            slot.picture.clear(partial(self._pictured, slot, None), None, notice, **QUIET)
            for name, component in slot.values.items():
                component.input(partial(self._set, slot, name), component, None, **QUIET)

    def updates(self, situation: Situation, pictures: bool) -> Updates:
        """What everything must look like; pictures are sent again only when `pictures` says so."""
        family = situation.family
        words = [file.name for file in self._files(Kind.EMBEDDING, family.id)] if family.text.weights else []
        seen = {component: gr.update(visible=bool(words)) for component in (self.into_prompt, self.into_negative)}
        found: Updates = {self.embedding: gr.update(choices=words, visible=bool(words)), **seen}
        found[self.vae] = self._vae_update(situation)
        able = {"controls": family.control is not None, "ip_adapters": family.ip_adapters}
        for slot in self.slots:
            takes = able[slot.guide.field] and situation.request.needs_model
            names = [file.name for file in self._files(slot.guide.kind, family.id)] if takes else []
            picture = {"value": self._shown(slot)} if pictures else {}
            found |= slot.updates(self._uses(slot.guide) if takes else [], names, picture)
        return found

    def _vae_update(self, situation: Situation) -> Any:
        chosen = situation.request.vae
        files = self._files(Kind.VAE, situation.family.id) if situation.family.video is None else ()
        names = list(dict.fromkeys([*(file.name for file in files), *filter(None, [chosen])]))
        choices = [(self._words("field.vae.own"), ""), *((name, name) for name in names)]
        return gr.update(choices=choices, value=chosen, visible=bool(names))

    def _files(self, kind: Kind, family: str) -> Any:
        return self._services.models.files(kind, family)

    def _uses(self, guide: Guide) -> list[dict[str, Any]]:
        uses = self._draft().values.get(guide.field)
        return [dict(use) for use in uses] if isinstance(uses, list | tuple) else []

    def _shown(self, slot: Slot) -> str | None:
        uses = self._uses(slot.guide)
        image = uses[slot.place].get("image") if slot.place < len(uses) else None
        try:
            return str(self._services.inputs.path_of(image)) if image else None
        except EaselError:  # a picture that is gone: sending the wish says it
            return None

    @in_turn
    def _vae_chosen(self, name: str | None) -> None:
        self._keep(self._draft().with_value("vae", name or None))

    @in_turn
    def _chosen(self, slot: Slot, after: Callable[[], Updates], name: str | None) -> Updates:
        uses = self._uses(slot.guide)
        if name and slot.place < len(uses):
            uses[slot.place]["file"] = name
        elif name:
            uses.append({"file": name})
        else:
            uses[slot.place : slot.place + 1] = []
        self._keep_uses(slot.guide, uses)
        return after()

    @in_turn
    def _set(self, slot: Slot, name: str, value: Any) -> None:
        uses = self._uses(slot.guide)
        if slot.place < len(uses) and value is not None:
            uses[slot.place][name] = value
            self._keep_uses(slot.guide, uses)

    @in_turn
    def _pictured(self, slot: Slot, path: str | None) -> Any:
        return self._guarded(lambda: self._take_picture(slot, path)) or gr.skip()

    def _take_picture(self, slot: Slot, path: str | None) -> None:
        uses = self._uses(slot.guide)
        if slot.place < len(uses):
            uses[slot.place]["image"] = self._services.inputs.keep(path, "image") if path else None
            self._keep_uses(slot.guide, uses)

    def _keep_uses(self, guide: Guide, uses: list[dict[str, Any]]) -> None:
        self._keep(self._draft().with_value(guide.field, uses or None))

    @in_turn
    def _put(self, field: str, name: str | None, prompt: str, negative: str) -> tuple[str, str]:
        """The embedding's name at the end of the words that the page shows."""
        draft = self._draft().with_(prompt=prompt or "", negative_prompt=negative or "")
        if name:
            before = getattr(draft, field).rstrip().rstrip(",")
            draft = self._keep(draft.with_(**{field: f"{before}, {name}" if before else name}))
        return draft.prompt, draft.negative_prompt
