"""What a form must look like, worked out from its draft each time."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.addons import known_addon_files
from app.drafts import Draft
from app.ui.controls import CONTROLS, Situation, quality_said, said
from app.ui.form.kept import KeptDraft
from app.ui.form.parts import FormParts
from app.ui.pass_controls import PASSES
from app.wishes import Quality, Shape
from engines.api import EaselError, Kind, family_of, lora_text

Updates = dict[Any, Any]


class FormLooks:
    """Updates for the components of `parts`, from the draft as it stands."""

    def __init__(self, kept: KeptDraft, parts: FormParts) -> None:
        self._kept, self._parts = kept, parts

    def everything(self) -> Updates:
        """All of the form, with its words and pictures."""
        parts, draft = self._parts, self._kept.get()
        return {
            **self.structural(pictures=True),
            parts.prompt: draft.prompt,
            parts.negative: draft.negative_prompt,
            parts.count: draft.count,
            parts.seed: draft.seed,
            parts.keep_seed: draft.keep_seed,
        }

    def structural(self, pictures: bool = False) -> Updates:
        """What follows from the choices; pictures are sent again only when `pictures` says so."""
        parts, draft = self._parts, self._kept.possible()
        resolved = self._kept.resolved(draft)
        found = family_of(resolved.record)
        upscalers = tuple(file.name for file in self._kept.services.models.files(Kind.UPSCALER))
        situation = Situation(found, resolved.request, draft.shape, upscalers)
        quality = quality_said(situation, self._kept.words, self._times(draft))
        return {
            parts.task: gr.update(value=str(draft.task)),
            **parts.pictures.updates(draft, found, pictures),
            parts.shape: gr.update(choices=self._shapes(draft), value=str(draft.shape)),
            parts.quality: gr.update(value=str(draft.quality), info=quality),
            parts.model: gr.update(choices=self._models(), value=resolved.record.id),
            **self._controls(situation),
            **self._loras(situation),
            parts.styles.component: parts.styles.update(),
            parts.estimate.component: parts.estimate.update(resolved),
            **({} if parts.guides is None else parts.guides.updates(situation, pictures)),
        }

    def _times(self, draft: Draft) -> float | None:
        """How many times as fast as Normal the draft's quality was here; None where there were no jobs of one of them."""
        if draft.quality is Quality.NORMAL:
            return None
        mine, normal = self._took(draft), self._took(draft.with_(quality=Quality.NORMAL))
        return normal / mine if mine and normal else None

    def _took(self, draft: Draft) -> float | None:
        resolved, services = self._kept.resolved(draft), self._kept.services
        if not resolved.request.needs_model:
            return None
        try:
            files = known_addon_files(resolved.request, resolved.record, services.models)
            return services.planner.measured_seconds(resolved.request, resolved.record, files)
        except (EaselError, OSError):
            return None  # what cannot be planned has no speed; sending it says why

    def estimate(self) -> Updates:
        """The line of memory and time alone."""
        estimate = self._parts.estimate
        return {estimate.component: estimate.update(self._kept.resolved(self._kept.get()))}

    def _models(self) -> list[tuple[str, str]]:
        tasks = set(self._kept.tasks)
        able = (each for each in self._kept.services.models.all() if tasks & set(family_of(each).tasks))
        return [(record.title, record.id) for record in able]

    def _controls(self, situation: Situation) -> Updates:
        parts = self._parts
        known = [control for control in (*CONTROLS, *PASSES) if control.field in parts.controls]
        updates: Updates = {parts.controls[control.field]: control.update(situation) for control in known}
        shown = situation.request.task.makes_video
        return {**updates, parts.said: gr.update(value=said(situation, self._kept.words), visible=shown)}

    def _loras(self, situation: Situation) -> Updates:
        if self._parts.loras is None:
            return {}
        files = self._kept.services.models.files(Kind.LORA, situation.family.id)
        chosen = [lora_text(use) for use in situation.request.loras]
        names = list(dict.fromkeys([*(file.name for file in files), *chosen]))
        return {self._parts.loras: gr.update(choices=names, value=chosen, visible=bool(names))}

    def _shapes(self, draft: Draft) -> list[tuple[str, str]]:
        takes = draft.task.needs_image or draft.task.needs_video
        shown = [shape for shape in Shape if shape is not Shape.PICTURE or takes]
        return [(self._kept.words(f"shape.{shape}"), str(shape)) for shape in shown]
