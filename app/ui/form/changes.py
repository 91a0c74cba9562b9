"""What happens when somebody changes the form: the draft is changed, and what follows from it is shown."""

from __future__ import annotations

import random
from typing import Any

import gradio as gr

from app.ui.form.kept import KeptDraft
from app.ui.form.looks import FormLooks, Updates
from app.ui.form.parts import FormParts
from app.ui.in_turn import in_turn
from app.ui.pass_controls import SHOWING, with_option
from app.wishes import Quality, Shape
from engines.api import SEED_MAX, Task, family_of, parse_lora

SHAPING = SHOWING | {"sampler", "fps", "frames"}  # controls on which others depend


class FormChanges:
    """Handlers of the page's events, one for each kind of change."""

    def __init__(self, kept: KeptDraft, parts: FormParts, looks: FormLooks) -> None:
        self._kept, self._parts, self._looks = kept, parts, looks
        self.changing = kept.changing

    @in_turn
    def typed(self, name: str, value: Any) -> None:
        """Seed, and whether it stays, at every change; what is no number yet is left for the next change."""
        if value is not None:
            self._kept.change(**{name: value})

    @in_turn
    def counted(self, value: Any) -> Updates:
        """How many; what is no number yet is left for the next change."""
        if value is None:
            return gr.skip()
        self._kept.change(count=value)
        return self._looks.estimate()

    @in_turn
    def set_by_hand(self, name: str, value: Any) -> Updates:
        """One of the controls under Advanced."""
        self._kept.put(with_option(self._kept.get(), name, value))
        return self._looks.structural() if name in SHAPING else self._looks.estimate()

    @in_turn
    def loras_chosen(self, names: list[str]) -> None:
        """A name, or a name with its weight behind a colon, as the prompt has it; what cannot be read is left out."""
        uses = [use.model_dump() for use in map(parse_lora, names or []) if use is not None]
        self._kept.put(self._kept.get().with_value("loras", uses or None))

    @in_turn
    def chosen(self, name: str, value: Any) -> Updates:
        """Task, shape, quality or model."""
        self.choose(name, value)
        updates = self._looks.structural(pictures=name == "task")
        if name in ("shape", "quality"):
            # What these do not change is not sent: an answer that arrives late would take the next choice back.
            parts = self._parts
            for other in (parts.task, parts.model, parts.shape if name == "quality" else parts.quality):
                updates[other] = gr.skip()
        return updates

    def choose(self, name: str, value: Any) -> None:
        """Keep a choice, with what else of the draft it changes."""
        draft = self._kept.get()
        match name:
            case "task":
                draft = draft.with_task(Task(value))
            case "shape":
                shown = self._kept.resolved(draft).request
                draft = draft.with_shape(Shape(value), (shown.width, shown.height))
            case "quality":
                draft = draft.with_value("steps", None).with_value("shortcuts", None).with_(quality=Quality(value))
            case _:
                draft = draft.with_(model=value or "", values={})
                draft = draft.with_shape_of(family_of(self._kept.resolved(draft).record))
        self._kept.put(draft)

    @in_turn
    def reset(self) -> Updates:
        """Everything that was set by hand goes back to what preset and model say."""
        draft = self._kept.get()
        usual = Shape.PICTURE if draft.task.needs_image or draft.task.needs_video else Shape.SQUARE
        self._kept.change(values={}, keep_seed=False, shape=usual if draft.shape is Shape.OWN else draft.shape)
        return self._looks.everything()

    @in_turn
    def roll(self) -> tuple[int, bool]:
        """A seed by chance, which then stays."""
        seed = random.SystemRandom().randint(0, SEED_MAX)
        self._kept.change(seed=seed, keep_seed=True)
        return seed, True
