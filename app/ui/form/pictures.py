"""What a wish starts from: a picture, a picture to paint on, a last picture, a film. What is given is kept at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.drafts import Draft
from app.ui import painting
from app.ui.controls import player
from app.ui.form.kept import KeptDraft
from app.ui.in_turn import QUIET, in_turn
from engines.api import VIDEO_SUFFIXES, EngineFamily, Task

Updates = dict[Any, Any]


class PictureInputs:
    """The components of the inputs, their events, and what they must look like."""

    def __init__(self, kept: KeptDraft) -> None:
        self._kept, self.changing = kept, kept.changing
        self.picture = self._picture_box("picture", 220)
        self.canvas = self._canvas()
        video = any(task.makes_video for task in kept.tasks)
        self._films: dict[str, gr.Image | gr.File] = self._film_boxes() if video else {}  # by their fields of the draft
        self._player = gr.HTML("", padding=False, visible=False, elem_id=f"{kept.tab}-player") if video else None

    def _picture_box(self, name: str, height: int) -> gr.Image:
        # A file and not a decoded picture: a broken one reaches our decoder and gets our message.
        return gr.Image(
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            label=self._kept.words(f"form.{name}"),
            height=height,
            visible=False,
            elem_id=f"{self._kept.tab}-{name}",
            buttons=[],
        )

    def _canvas(self) -> gr.ImageEditor:
        return gr.ImageEditor(
            type="filepath",
            image_mode="RGBA",
            format="png",  # Gradio's usual one is a lossy WebP, and after a reload that would be the person's picture
            sources=["upload", "clipboard"],
            label=self._kept.words("form.canvas"),
            layers=False,
            brush=gr.Brush(colors=[painting.COLOUR], color_mode="fixed", default_size=24),
            transforms=(),
            height=360,
            visible=False,
            elem_id=f"{self._kept.tab}-canvas",
            buttons=[],
        )

    def _film_boxes(self) -> dict[str, gr.Image | gr.File]:
        last_picture = self._picture_box("last-picture", 180)
        # Gradio's own player would load a 30 MB encoder into the page, to cut films with.
        film = gr.File(
            file_types=sorted(VIDEO_SUFFIXES),
            label=self._kept.words("form.film"),
            height=110,
            visible=False,
            elem_id=f"{self._kept.tab}-film",
        )
        return {"last_image": last_picture, "init_video": film}

    @property
    def components(self) -> list[Any]:
        """All of them; each follows from the draft."""
        players = [] if self._player is None else [self._player]
        return [self.picture, self.canvas, *self._films.values(), *players]

    def wire(self, structural: list[Any], after: Callable[[], Updates], notice: Any) -> None:
        """Connect the events; `after` gives what `structural` must look like, `notice` shows what was refused."""
        self._after, self._notice = after, notice
        self.picture.input(self._picture_given, self.picture, [*structural, notice], **QUIET)
        self.picture.clear(self._picture_removed, None, structural, **QUIET)
        for name, component in self._films.items():
            given = component.upload if isinstance(component, gr.File) else component.input
            given(partial(self._film_given, name), component, [*structural, notice], **QUIET)
            component.clear(partial(self._film_removed, name), None, structural, **QUIET)
        # The editor swallows its first change, which may be the picture itself.
        gr.on([self.canvas.change, self.canvas.upload], self._painted, self.canvas, notice, **QUIET)

    def updates(self, draft: Draft, family: EngineFamily, anew: bool) -> Updates:
        """What they must look like; what they hold is sent again only when `anew` says so."""
        return {
            self.picture: self._picture_update(draft, anew),
            self.canvas: self._canvas_update(draft, anew),
            **self._film_updates(draft, family, anew),
        }

    def take_picture(self, path: str) -> None:
        """Keep the picture as what is started from; strokes on another one are gone with it. Raises `UserError`."""
        reference = self._kept.services.inputs.keep(path, "init_image")
        self._kept.change(init_image=reference, mask="", painting="")

    def _picture_update(self, draft: Draft, anew: bool) -> Any:
        visible = draft.task.needs_image and not draft.task.needs_mask
        value = {"value": self._kept.path_of(draft.init_image)} if anew else {}
        return gr.update(visible=visible, **value)

    def _canvas_update(self, draft: Draft, anew: bool) -> Any:
        visible = draft.task.needs_mask
        if not anew or not visible:
            return gr.update(visible=visible)
        value = painting.shown(self._kept.path_of(draft.init_image), self._kept.path_of(draft.painting))
        return gr.update(visible=visible, value=value)

    def _film_updates(self, draft: Draft, family: EngineFamily, anew: bool) -> Updates:
        ends = draft.task is Task.IMAGE_TO_VIDEO and family.video is not None and family.video.last_image
        shown = {"last_image": ends, "init_video": draft.task.needs_video}
        updates: Updates = {}
        for name, component in self._films.items():
            value = {"value": self._kept.path_of(getattr(draft, name))} if anew else {}
            updates[component] = gr.update(visible=shown[name], **value)
        if self._player is not None:
            plays = shown["init_video"] and self._kept.path_of(draft.init_video) is not None
            updates[self._player] = gr.update(value=player(draft.init_video) if plays else "", visible=plays)
        return updates

    @in_turn
    def _picture_given(self, path: str | None) -> Updates:
        problem = self._kept.guarded(lambda: self.take_picture(path)) if path else ""
        return self._after_given(problem)

    @in_turn
    def _picture_removed(self) -> Updates:
        self._kept.change(init_image="", mask="", painting="")
        return self._after()

    @in_turn
    def _film_given(self, name: str, path: str | None) -> Updates:
        keep = self._kept.services.inputs.keep
        problem = self._kept.guarded(lambda: self._kept.change(**{name: keep(path, name)})) if path else ""
        return self._after_given(problem)

    @in_turn
    def _film_removed(self, name: str) -> Updates:
        self._kept.change(**{name: ""})
        return self._after()

    @in_turn
    def _painted(self, value: dict[str, Any] | None) -> Any:
        """A new background, or a stroke: both are kept at once."""
        inputs = self._kept.services.inputs
        return self._kept.guarded(lambda: self._kept.put(painting.taken(self._kept.get(), value, inputs))) or gr.skip()

    def _after_given(self, problem: str) -> Updates:
        return {**self._after(), self._notice: problem or gr.skip()}
