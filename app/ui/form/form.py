"""One tab's form: its parts, what they must look like, and which event leads where."""

from __future__ import annotations

from functools import partial

import gradio as gr

from app.services import Services
from app.ui.form.changes import SHAPING, FormChanges
from app.ui.form.kept import KeptDraft
from app.ui.form.looks import FormLooks
from app.ui.form.parts import FormParts
from app.ui.form.sending import FormSending
from app.ui.in_turn import QUIET
from app.ui.words import Words
from engines.api import Task

# The form was shown anew: said to the page's script, and counted for whoever asks later.
SHOWN = """() => {
  const counts = document.documentElement.dataset;
  counts.%(tab)sForm = 1 + Number(counts.%(tab)sForm ?? 0);
  dispatchEvent(new CustomEvent("easel-form", { detail: "%(tab)s" }));
}"""


class GenerationForm:
    """Components and events of one tab, made where Gradio's page stands. `tab` names its draft, `tasks` are its modes."""

    def __init__(self, services: Services, words: Words, tab: str, tasks: tuple[Task, ...]) -> None:
        self.kept = KeptDraft(services, words, tab, tasks)
        self.parts = FormParts(self.kept)
        self.looks = FormLooks(self.kept, self.parts)
        self.changes = FormChanges(self.kept, self.parts, self.looks)
        self.sending = FormSending(self.kept, self.parts, self.changes)

    def wire(self, page: gr.Blocks) -> None:
        """Connect the events."""
        self._wire_choices()
        self._wire_numbers()
        self._wire_groups()
        self._wire_buttons()
        for event in (self.parts.bridge.click, page.load):
            shown = event(self.looks.everything, None, self.parts.everything, **QUIET)
            shown.then(None, js=SHOWN % {"tab": self.kept.tab})

    def _wire_choices(self) -> None:
        parts, changes = self.parts, self.changes
        choices = {"task": parts.task, "shape": parts.shape, "quality": parts.quality, "model": parts.model}
        for name, component in choices.items():
            component.input(partial(changes.chosen, name), component, parts.structural, **QUIET)
        for name, component in parts.controls.items():
            outputs = parts.structural if name in SHAPING else parts.estimate.component
            component.input(partial(changes.set_by_hand, name), component, outputs, **QUIET)
        if parts.loras is not None:
            parts.loras.input(changes.loras_chosen, parts.loras, None, **QUIET)

    def _wire_numbers(self) -> None:
        """The words are kept by the page's own script: Gradio says nothing of what is pasted or taken away."""
        parts, changes = self.parts, self.changes
        parts.count.input(changes.counted, parts.count, parts.estimate.component, **QUIET)
        for name, component in {"seed": parts.seed, "keep_seed": parts.keep_seed}.items():
            component.input(partial(changes.typed, name), component, None, **QUIET)

    def _wire_groups(self) -> None:
        parts, guarded = self.parts, self.kept.guarded
        texts = [parts.prompt, parts.negative]
        parts.pictures.wire(parts.structural, self.looks.structural, parts.notice)
        parts.styles.wire(texts, parts.notice, guarded)
        if parts.guides is not None:
            parts.guides.wire(parts.structural, self.looks.structural, texts, parts.notice, guarded)

    def _wire_buttons(self) -> None:
        parts = self.parts
        for button in (parts.go, parts.queue):
            outputs = [parts.notice, parts.seed]
            button.click(self.sending.send, self.sending.sent, outputs, **{**QUIET, "trigger_mode": "multiple"})
        parts.dice.click(self.changes.roll, None, [parts.seed, parts.keep_seed], **QUIET)
        parts.reset.click(self.changes.reset, None, parts.everything, **QUIET)
