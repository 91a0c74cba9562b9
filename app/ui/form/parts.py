"""What a form is built of, in the order in which a person goes through it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.ui.controls import CONTROLS, Length
from app.ui.estimate import EstimateLine
from app.ui.form.kept import KeptDraft
from app.ui.form.pictures import PictureInputs
from app.ui.guides import GuideControls
from app.ui.html import mount
from app.ui.pass_controls import PASSES
from app.ui.style_picker import StylePicker
from app.wishes import Quality
from engines.api import Task

COUNT_MAX = 8  # the slider's end; the command line goes further


class FormParts:
    """The components of one tab, made where Gradio's page stands when this is made."""

    def __init__(self, kept: KeptDraft) -> None:
        self._kept, self._words, self._tab = kept, kept.words, kept.tab
        self.task = self._chips("task", [(self._words(f"task.{task}"), str(task)) for task in kept.tasks])
        self.pictures = PictureInputs(kept)
        self._build_texts()
        self.styles = StylePicker(kept.services, self._words, self._tab, kept.get, kept.put)
        self._build_buttons()
        mount("presets", self._tab)
        self._build_wishes()
        with gr.Accordion(self._words("form.advanced"), open=False, elem_id=f"{self._tab}-advanced"):
            self._build_advanced()
        self._build_bridge()

    @property
    def structural(self) -> list[Any]:
        """Components that follow from the choices, without the texts that somebody may be typing."""
        return [
            self.task,
            *self.pictures.components,
            self.shape,
            self.quality,
            self.model,
            *self.controls.values(),
            self.said,
            self.estimate.component,
            self.styles.component,
            *([] if self.loras is None else [self.loras]),
            *([] if self.guides is None else self.guides.components),
        ]

    @property
    def everything(self) -> list[Any]:
        """All that can be shown anew."""
        return [*self.structural, self.prompt, self.negative, self.count, self.seed, self.keep_seed]

    def _chips(self, name: str, choices: list[tuple[str, str]]) -> gr.Radio:
        label, elem_id = self._words(f"form.{name}"), f"{self._tab}-{name}"
        return gr.Radio(choices, label=label, elem_id=elem_id, elem_classes="chips")

    def _build_texts(self) -> None:
        words = self._words
        self.prompt = gr.Textbox(
            label=words("form.prompt"),
            placeholder=words(f"form.prompt.{self._tab}.placeholder"),
            lines=3,
            max_lines=10,
            elem_id=f"{self._tab}-prompt",
        )
        with gr.Accordion(words("form.negative"), open=False, elem_id=f"{self._tab}-negative-fold"):
            self.negative = gr.Textbox(
                show_label=False,
                label=words("form.negative"),
                placeholder=words("form.negative.placeholder"),
                lines=2,
                elem_id=f"{self._tab}-negative",
            )

    def _build_buttons(self) -> None:
        words = self._words
        with gr.Row(elem_classes="actions"):
            self.go = gr.Button(words("form.generate"), variant="primary", elem_id=f"{self._tab}-generate")
            self.stop = gr.Button(words("form.stop"), variant="stop", elem_id=f"{self._tab}-stop", elem_classes="stop")
            self.queue = gr.Button(words("form.queue"), elem_id=f"{self._tab}-queue", elem_classes="queue")
        self.estimate = EstimateLine(self._kept.services, words, self._tab)
        mount("notice", self._tab)

    def _build_wishes(self) -> None:
        words = self._words
        self.shape = self._chips("shape", [])
        self.quality = self._chips("quality", [(words(f"quality.{each}"), str(each)) for each in Quality])
        self.length = Length().make(words)
        self.said = gr.HTML("", padding=False, visible=False, elem_id=f"{self._tab}-said")
        self.count = gr.Slider(1, COUNT_MAX, step=1, label=words("form.count"), elem_id=f"{self._tab}-count")

    def _build_advanced(self) -> None:
        words = self._words
        self.model = gr.Dropdown([], label=words("field.model"), info=words("field.model.info"))
        made = {control.field: control.make(words) for control in CONTROLS if not isinstance(control, Length)}
        self.controls = {control.field: made.get(control.field, self.length) for control in CONTROLS}
        with gr.Row():
            self.seed = gr.Number(label=words("field.seed"), info=words("field.seed.info"), precision=0, minimum=0)
            self.keep_seed = gr.Checkbox(label=words("form.keep-seed"), info=words("form.keep-seed.info"))
        with gr.Row():
            self.dice = gr.Button(words("form.dice"), size="sm")
            self.reset = gr.Button(words("form.reset"), size="sm")
        draws = Task.TEXT_TO_IMAGE in self._kept.tasks
        self.loras = self._build_passes() if draws else None
        self.guides = self._build_guides() if draws else None
        mount("grid", self._tab)

    def _build_passes(self) -> gr.Dropdown:
        """Second pass, masks and LoRAs, in a fold: it is not in the page before somebody opens it."""
        words = self._words
        with gr.Accordion(words("form.passes"), open=False, elem_id=f"{self._tab}-passes"):
            loras = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label=words("field.loras"),
                info=words("field.loras.info"),
                elem_id=f"{self._tab}-loras",
            )
            self.controls |= {control.field: control.make(words) for control in PASSES}
        return loras

    def _build_guides(self) -> GuideControls:
        with gr.Accordion(self._words("form.guides"), open=False, elem_id=f"{self._tab}-guides"):
            return GuideControls(self._kept.services, self._words, self._tab, self._kept.get, self._kept.put)

    def _build_bridge(self) -> None:
        """What the page's script presses to have the form shown anew, and what it watches for refusals."""
        pressed = f"(window.easelBridges ??= {{}})['{self._tab}'] = trigger;"
        told = f"watch('value', () => window.easel.notice('{self._tab}', props.value));"
        self.bridge = gr.HTML("", visible="hidden", js_on_load=pressed)
        self.notice = gr.HTML("", visible="hidden", js_on_load=told)
