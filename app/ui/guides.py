"""What guides a picture, in the Advanced panel: embeddings to put into the words, and ControlNets with their pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.drafts import Draft
from app.services import Services
from app.ui.controls import Situation
from app.ui.words import Words
from engines.api import PREPARERS, EaselError, Kind

SLOTS = 2  # ControlNets that the page offers; command line and API take four
NUMBERS = {"weight": (0.0, 2.0, 1.0), "start": (0.0, 1.0, 0.0), "end": (0.0, 1.0, 1.0)}  # low, high, usual
Updates = dict[Any, Any]


class ControlSlot:
    """The components of one ControlNet; `place` is its place in the request's list."""

    def __init__(self, words: Words, tab: str, place: int) -> None:
        self.place = place
        self.file = gr.Dropdown(
            [], label=words("control.file"), info=words("control.file.info"), elem_id=f"{tab}-control-{place}"
        )
        self.picture = gr.Image(
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            label=words("control.image"),
            height=180,
            visible=False,
            elem_id=f"{tab}-control-{place}-picture",
            buttons=[],
        )
        choices = [(words(f"control.prepare.{name}"), name) for name in PREPARERS]
        self.prepare = gr.Dropdown(choices, value="none", label=words("control.prepare"), visible=False)
        self.numbers = {
            name: gr.Slider(low, high, usual, step=0.05, label=words(f"control.{name}"), visible=False)
            for name, (low, high, usual) in NUMBERS.items()
        }

    @property
    def components(self) -> list[Any]:
        """All of them."""
        return [self.file, self.picture, self.prepare, *self.numbers.values()]

    def updates(self, uses: list[dict[str, Any]], files: list[str], picture: Any, none: str) -> Updates:
        """What they must look like for the draft's `uses`; `files` are the ControlNets that fit the model."""
        use = uses[self.place] if self.place < len(uses) else {}
        chosen, offered = bool(use), bool(files) and self.place <= len(uses)
        names = list(dict.fromkeys([*files, *([use["file"]] if use else [])]))
        choices = [(none, ""), *((name, name) for name in names)]
        return {
            self.file: gr.update(choices=choices, value=use.get("file", ""), visible=offered),
            self.picture: gr.update(visible=chosen, **picture),
            self.prepare: gr.update(value=use.get("prepare", "none"), visible=chosen),
            **{
                slider: gr.update(value=use.get(name, NUMBERS[name][2]), visible=chosen)
                for name, slider in self.numbers.items()
            },
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
        self.slots = [ControlSlot(words, tab, place) for place in range(SLOTS)]

    @property
    def components(self) -> list[Any]:
        """Those that follow from the draft."""
        slots = [component for slot in self.slots for component in slot.components]
        return [self.embedding, self.into_prompt, self.into_negative, self.vae, *slots]

    def wire(
        self,
        structural: list[Any],
        after: Callable[[], list[Any]],
        texts: list[Any],
        notice: Any,
        guarded: Callable[[Callable[[], object]], str],
        quiet: dict[str, Any],
    ) -> None:
        """Connect the events; `after` gives what `structural` must look like, `texts` are prompt and negative prompt.

        `guarded` runs something and returns what the `notice` says about its error.
        """
        self._guarded = guarded
        for button, field in ((self.into_prompt, "prompt"), (self.into_negative, "negative_prompt")):
            button.click(partial(self._put, field), self.embedding, texts, **quiet)
        self.vae.input(
            lambda name: self._keep(self._draft().with_value("vae", name or None)) and None, self.vae, None, **quiet
        )
        for slot in self.slots:
            slot.file.input(partial(self._chosen, slot.place, after), slot.file, structural, **quiet)
            slot.picture.input(partial(self._pictured, slot.place), slot.picture, notice, **quiet)
            slot.picture.clear(partial(self._pictured, slot.place, None), None, notice, **quiet)
            for name, component in {"prepare": slot.prepare, **slot.numbers}.items():
                component.input(partial(self._set, slot.place, name), component, None, **quiet)

    def updates(self, situation: Situation, pictures: bool) -> Updates:
        """What everything must look like; pictures are sent again only when `pictures` says so."""
        family = situation.family
        words = [file.name for file in self._files(Kind.EMBEDDING, family.id)] if family.text.weights else []
        seen = {component: gr.update(visible=bool(words)) for component in (self.into_prompt, self.into_negative)}
        found: Updates = {self.embedding: gr.update(choices=words, visible=bool(words)), **seen}
        found[self.vae] = self._vae_update(situation)
        able = family.control is not None and situation.request.needs_model
        names = [file.name for file in self._files(Kind.CONTROLNET, family.id)] if able else []
        for slot in self.slots:
            picture = {"value": self._shown(slot.place)} if pictures else {}
            found |= slot.updates(self._uses() if able else [], names, picture, self._words("control.none"))
        return found

    def _vae_update(self, situation: Situation) -> Any:
        chosen = situation.request.vae
        files = self._files(Kind.VAE, situation.family.id) if situation.family.video is None else ()
        names = list(dict.fromkeys([*(file.name for file in files), *filter(None, [chosen])]))
        choices = [(self._words("field.vae.own"), ""), *((name, name) for name in names)]
        return gr.update(choices=choices, value=chosen, visible=bool(names))

    def _files(self, kind: Kind, family: str) -> Any:
        return self._services.models.files(kind, family)

    def _uses(self) -> list[dict[str, Any]]:
        uses = self._draft().values.get("controls")
        return [dict(use) for use in uses] if isinstance(uses, list | tuple) else []

    def _shown(self, place: int) -> str | None:
        uses = self._uses()
        image = uses[place].get("image") if place < len(uses) else None
        try:
            return str(self._services.inputs.path_of(image)) if image else None
        except EaselError:  # a picture that is gone: sending the wish says it
            return None

    def _chosen(self, place: int, after: Callable[[], list[Any]], name: str | None) -> list[Any]:
        uses = self._uses()
        if name and place < len(uses):
            uses[place]["file"] = name
        elif name:
            uses.append({"file": name})
        else:
            uses[place : place + 1] = []
        self._keep_uses(uses)
        return after()

    def _set(self, place: int, name: str, value: Any) -> None:
        uses = self._uses()
        if place < len(uses) and value is not None:
            uses[place][name] = value
            self._keep_uses(uses)

    def _pictured(self, place: int, path: str | None) -> Any:
        return self._guarded(lambda: self._take_picture(place, path)) or gr.skip()

    def _take_picture(self, place: int, path: str | None) -> None:
        uses = self._uses()
        if place < len(uses):
            uses[place]["image"] = self._services.inputs.keep(path, "image") if path else None
            self._keep_uses(uses)

    def _keep_uses(self, uses: list[dict[str, Any]]) -> None:
        self._keep(self._draft().with_value("controls", uses or None))

    def _put(self, field: str, name: str | None) -> tuple[str, str]:
        """The embedding's name at the end of the words."""
        draft = self._draft()
        if name:
            before = getattr(draft, field).rstrip().rstrip(",")
            draft = self._keep(draft.with_(**{field: f"{before}, {name}" if before else name}))
        return draft.prompt, draft.negative_prompt
