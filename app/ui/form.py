"""The wish side of a tab: what to draw, from what, how large and how well; everything else under Advanced.

A form holds no state of its own. What stands in it is a `Draft` in the store; each change goes there, and each update
of the page is worked out from there, so that a reload, a second window or a crash shows the same form again.
"""

from __future__ import annotations

import json
import logging
import random
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from app.drafts import Draft, DraftResolver, usable
from app.jobs import Job
from app.remedies import remedies
from app.services import Services
from app.ui import painting
from app.ui.controls import CONTROLS, Length, Situation, player, quality_said, said
from app.ui.estimate import EstimateLine
from app.ui.guides import GuideControls
from app.ui.html import mount
from app.ui.in_turn import in_turn
from app.ui.notices import notice
from app.ui.pass_controls import PASSES, SHOWING, with_option
from app.ui.style_picker import StylePicker
from app.ui.words import Words
from app.wishes import Quality, Shape
from engines.api import (
    SEED_MAX,
    VIDEO_SUFFIXES,
    EaselError,
    EngineFamily,
    GenerationRequest,
    Kind,
    Task,
    UserError,
    families,
    family_of,
    lora_text,
    parse_lora,
)

log = logging.getLogger(__name__)

SHAPING = frozenset({"sampler", "fps", "frames"})  # fields on which other controls depend
# How often the form was shown anew, for whoever has to wait until what the page shows is what the draft holds.
SHOWN = (
    "() => { const shown = document.documentElement.dataset; shown.%(tab)sForm = 1 + Number(shown.%(tab)sForm ?? 0); }"
)
COUNT_MAX = 8  # the slider's end; the command line goes further
QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "trigger_mode": "always_last",
}
Updates = dict[Any, Any]


class GenerationForm:
    """Components and events of one tab. `tab` names its draft, `tasks` are the modes that it offers."""

    def __init__(self, services: Services, words: Words, tab: str, tasks: tuple[Task, ...]) -> None:
        self._services, self._words, self._tab, self._tasks = services, words, tab, tasks
        self._resolver = DraftResolver(
            services.models, services.presets, services.inputs, lambda: services.settings.usual_values()
        )
        self.loras: gr.Dropdown | None = None
        self.last_picture: gr.Image | None = None
        self.film: gr.File | None = None
        self.player: gr.HTML | None = None
        self.guides: GuideControls | None = None

    # What it consists of

    def build(self) -> None:
        """Make the components, in the order in which a person goes through them."""
        words = self._words
        self.task = gr.Radio(
            [(words(f"task.{task}"), str(task)) for task in self._tasks],
            label=words("form.task"),
            elem_id=f"{self._tab}-task",
            elem_classes="chips",
        )
        self._build_pictures()
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
        self.styles = StylePicker(self._services, words, self._tab, lambda: self.draft, self._keep)
        self._build_buttons()
        mount("presets", self._tab)
        self._build_wishes()
        with gr.Accordion(words("form.advanced"), open=False, elem_id=f"{self._tab}-advanced"):
            self._build_advanced()
        self._bridge = gr.HTML(
            "", visible="hidden", js_on_load=f"(window.easelBridges ??= {{}})['{self._tab}'] = trigger;"
        )
        self._notice = gr.HTML(
            "", visible="hidden", js_on_load=f"watch('value', () => window.easel.notice('{self._tab}', props.value));"
        )

    def _build_pictures(self) -> None:
        words = self._words
        # A file and not a decoded picture: a broken one reaches our decoder and gets our message.
        self.picture = gr.Image(
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            label=words("form.picture"),
            height=220,
            visible=False,
            elem_id=f"{self._tab}-picture",
            buttons=[],
        )
        self.canvas = gr.ImageEditor(
            type="filepath",
            image_mode="RGBA",
            format="png",  # Gradio's usual one is a lossy WebP, and after a reload that would be the person's picture
            sources=["upload", "clipboard"],
            label=words("form.canvas"),
            layers=False,
            brush=gr.Brush(colors=[painting.COLOUR], color_mode="fixed", default_size=24),
            transforms=(),
            height=360,
            visible=False,
            elem_id=f"{self._tab}-canvas",
            buttons=[],
        )

        if any(task.makes_video for task in self._tasks):
            self._build_films()

    def _build_films(self) -> None:
        words = self._words
        self.last_picture = gr.Image(
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            label=words("form.last-picture"),
            height=180,
            visible=False,
            elem_id=f"{self._tab}-last-picture",
            buttons=[],
        )
        # Gradio's own player would load a 30 MB encoder into the page, to cut films with.
        self.film = gr.File(
            file_types=sorted(VIDEO_SUFFIXES),
            label=words("form.film"),
            height=110,
            visible=False,
            elem_id=f"{self._tab}-film",
        )
        self.player = gr.HTML("", padding=False, visible=False, elem_id=f"{self._tab}-player")

    def _build_wishes(self) -> None:
        words = self._words
        self.shape = gr.Radio([], label=words("form.shape"), elem_id=f"{self._tab}-shape", elem_classes="chips")
        self.quality = gr.Radio(
            [(words(f"quality.{each}"), str(each)) for each in Quality],
            label=words("form.quality"),
            elem_id=f"{self._tab}-quality",
            elem_classes="chips",
        )
        self.length = Length().make(words)
        self.said = gr.HTML("", padding=False, visible=False, elem_id=f"{self._tab}-said")
        self.count = gr.Slider(1, COUNT_MAX, step=1, label=words("form.count"), elem_id=f"{self._tab}-count")

    def _build_buttons(self) -> None:
        words = self._words
        with gr.Row(elem_classes="actions"):
            self.go = gr.Button(words("form.generate"), variant="primary", elem_id=f"{self._tab}-generate")
            self.stop = gr.Button(words("form.stop"), variant="stop", elem_id=f"{self._tab}-stop", elem_classes="stop")
            self.queue = gr.Button(words("form.queue"), elem_id=f"{self._tab}-queue", elem_classes="queue")
        self.estimate = EstimateLine(self._services, words, self._tab)
        mount("notice", self._tab)

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
        if Task.TEXT_TO_IMAGE in self._tasks:
            self._build_passes()
            with gr.Accordion(words("form.guides"), open=False, elem_id=f"{self._tab}-guides"):
                self.guides = GuideControls(self._services, words, self._tab, lambda: self.draft, self._keep)
        mount("grid", self._tab)

    def _build_passes(self) -> None:
        """Second pass, masks and LoRAs, in a fold: it is not in the page before somebody opens it."""
        words = self._words
        with gr.Accordion(words("form.passes"), open=False, elem_id=f"{self._tab}-passes"):
            self.loras = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label=words("field.loras"),
                info=words("field.loras.info"),
                elem_id=f"{self._tab}-loras",
            )
            self.controls |= {control.field: control.make(words) for control in PASSES}

    # What happens

    def wire(self, page: gr.Blocks) -> None:
        """Connect the events."""
        self._wire_changes()
        everything = self._everything
        sent = [
            self.prompt,
            self.negative,
            self.count,
            self.seed,
            self.keep_seed,
            self.shape,
            self.quality,
            self.canvas,
        ]
        for button in (self.go, self.queue):
            button.click(self._generate, sent, [self._notice, self.seed], **{**QUIET, "trigger_mode": "multiple"})
        self.dice.click(self._roll, None, [self.seed, self.keep_seed], **QUIET)
        self.reset.click(self._reset, None, everything, **QUIET)
        for event in (self._bridge.click, page.load):
            event(self._all_updates, None, everything, **QUIET).then(None, js=SHOWN % {"tab": self._tab})

    def _wire_changes(self) -> None:
        structural = self._structural
        for name in ("task", "shape", "quality", "model"):
            component = getattr(self, name)
            component.input(partial(self._chosen, name), component, structural, **QUIET)
        for name, component in self.controls.items():
            outputs = structural if name in SHOWING | SHAPING else self.estimate.component
            component.input(partial(self._set_by_hand, name), component, outputs, **QUIET)
        if self.loras is not None:
            self.loras.input(self._loras_chosen, self.loras, None, **QUIET)
        texts = [self.prompt, self.negative]
        self.styles.wire(texts, self._notice, self._guarded, QUIET)
        if self.guides is not None:
            self.guides.wire(structural, self._after_choice, texts, self._notice, self._guarded, QUIET)
        # The words are kept by the page's own script: Gradio says nothing of what is pasted or taken away.
        typed = {"count": self.count, "seed": self.seed, "keep_seed": self.keep_seed}
        for name, component in typed.items():
            outputs = self.estimate.component if name == "count" else None
            component.input(partial(self._typed, name), component, outputs, **QUIET)
        self.picture.input(self._picture_given, self.picture, [*structural, self._notice], **QUIET)
        self.picture.clear(self._picture_removed, None, structural, **QUIET)
        for name, component in self._films.items():
            outputs = [*structural, self._notice]
            given = component.upload if isinstance(component, gr.File) else component.input
            given(partial(self._film_given, name), component, outputs, **QUIET)
            component.clear(partial(self._film_removed, name), None, structural, **QUIET)
        # The editor swallows its first change, which may be the picture itself.
        triggers = [self.canvas.change, self.canvas.upload]
        gr.on(triggers, self._painted, self.canvas, self._notice, **QUIET)

    @property
    def _films(self) -> dict[str, Any]:
        """What a video tab takes beside a picture, by the fields of the draft."""
        found = {"last_image": self.last_picture, "init_video": self.film}
        return {name: component for name, component in found.items() if component is not None}

    @property
    def _structural(self) -> list[Any]:
        """Components that follow from the choices, without the texts that somebody may be typing."""
        player = [] if self.player is None else [self.player]
        pictures = [self.picture, self.canvas, *self._films.values(), *player]
        loras = [] if self.loras is None else [self.loras]
        more = [
            self.estimate.component,
            self.styles.component,
            *loras,
            *([] if self.guides is None else self.guides.components),
        ]
        return [
            self.task,
            *pictures,
            self.shape,
            self.quality,
            self.model,
            *self.controls.values(),
            self.said,
            *more,
        ]

    @property
    def _everything(self) -> list[Any]:
        return [*self._structural, self.prompt, self.negative, self.count, self.seed, self.keep_seed]

    @property
    def changing(self) -> AbstractContextManager[object]:
        """Whoever changes the draft holds this."""
        return self._services.drafts.changing

    @property
    def draft(self) -> Draft:
        """The draft as it stands."""
        return self._services.drafts.get(self._tab)

    def _keep(self, draft: Draft) -> Draft:
        return self._services.drafts.put(self._tab, draft)

    @in_turn
    def _typed(self, name: str, value: Any) -> Any:
        """Numbers, at every change; what is not one yet is left for the next change."""
        if name in ("count", "seed") and value is None:
            return gr.skip() if name == "count" else None
        self._keep(self.draft.with_(**{name: value}))
        return self.estimate.update(self._resolved(self.draft)) if name == "count" else None

    @in_turn
    def _set_by_hand(self, name: str, value: Any) -> Any:
        self._keep(with_option(self.draft, name, value))
        if name in SHOWING | SHAPING:
            return list(self._structural_updates().values())
        return self.estimate.update(self._resolved(self.draft))

    @in_turn
    def _loras_chosen(self, names: list[str]) -> Any:
        """A name, or a name with its weight behind a colon, as the prompt has it; what cannot be read is left out."""
        uses = [use.model_dump() for use in map(parse_lora, names or []) if use is not None]
        self._keep(self.draft.with_value("loras", uses or None))

    @in_turn
    def _chosen(self, name: str, value: Any) -> list[Any]:
        self._choose(name, value)
        updates = self._structural_updates(pictures=name == "task")
        if name in ("shape", "quality"):
            # What these do not change is not sent: an answer that arrives late would take the next choice back.
            others = (self.task, self.model, self.shape if name == "quality" else self.quality)
            updates |= dict.fromkeys(others, gr.skip())
        return list(updates.values())

    def _choose(self, name: str, value: Any) -> None:
        draft = self.draft
        match name:
            case "task":
                draft = draft.with_task(Task(value))
            case "shape":
                shown = self._resolved(draft)
                draft = draft.with_shape(Shape(value), (shown.request.width, shown.request.height))
            case "quality":
                draft = draft.with_value("steps", None).with_value("shortcuts", None).with_(quality=Quality(value))
            case _:
                draft = draft.with_(model=value or "", values={})
        self._keep(draft)

    @in_turn
    def _reset(self) -> list[Any]:
        shape = Shape.PICTURE if self.draft.task.needs_image or self.draft.task.needs_video else Shape.SQUARE
        keep = shape if self.draft.shape is Shape.OWN else self.draft.shape
        self._keep(self.draft.with_(values={}, keep_seed=False, shape=keep))
        return self._all_updates()

    @in_turn
    def _roll(self) -> tuple[int, bool]:
        seed = random.SystemRandom().randint(0, SEED_MAX)
        self._keep(self.draft.with_(seed=seed, keep_seed=True))
        return seed, True

    @in_turn
    def _picture_given(self, path: str | None) -> list[Any]:
        problem = ""
        if path:
            problem = self._guarded(lambda: self._take_picture(path))
        return [*self._structural_updates(pictures=False).values(), problem or gr.skip()]

    def _take_picture(self, path: str) -> None:
        reference = self._services.inputs.keep(path, "init_image")
        self._keep(self.draft.with_(init_image=reference, mask="", painting=""))

    @in_turn
    def _picture_removed(self) -> list[Any]:
        self._keep(self.draft.with_(init_image="", mask="", painting=""))
        return list(self._structural_updates(pictures=False).values())

    @in_turn
    def _film_given(self, name: str, path: str | None) -> list[Any]:
        problem = ""
        if path:
            keep = self._services.inputs.keep
            problem = self._guarded(lambda: self._keep(self.draft.with_(**{name: keep(path, name)})))
        return [*self._structural_updates(pictures=False).values(), problem or gr.skip()]

    @in_turn
    def _film_removed(self, name: str) -> list[Any]:
        self._keep(self.draft.with_(**{name: ""}))
        return list(self._structural_updates(pictures=False).values())

    @in_turn
    def _painted(self, value: dict[str, Any] | None) -> Any:
        """A new background, or a stroke: both are kept at once."""
        return self._guarded(lambda: self._keep(painting.taken(self.draft, value, self._services.inputs))) or gr.skip()

    @in_turn
    def _generate(
        self,
        prompt: str,
        negative: str,
        count: float,
        seed: float | None,
        keep: bool,
        shape: str,
        quality: str,
        painted: dict[str, Any] | None,
    ) -> tuple[Any, Any]:
        """Send the wish off. It holds what the page shows: the last letters, strokes and choices may not be in the draft."""
        for name, shown in (("shape", shape), ("quality", quality)):
            if shown and shown != str(getattr(self.draft, name)):
                self._choose(name, shown)
        number = int(seed) if seed is not None else None
        draft = self._keep(
            self._with_last_strokes(painted).with_(
                prompt=prompt or "", negative_prompt=negative or "", count=int(count), seed=number, keep_seed=keep
            )
        )
        made: list[Job] = []
        problem = self._guarded(lambda: made.append(self._submit(draft)))
        if not made:
            return problem, gr.skip()
        self._keep(draft.with_(seed=made[0].request.seed))
        return json.dumps({"id": uuid.uuid4().hex, "job": made[0].id}), made[0].request.seed

    def _with_last_strokes(self, painted: dict[str, Any] | None) -> Draft:
        """The draft with what the editor holds now; an editor that is only just being filled does not empty it."""
        draft = self.draft
        if not draft.task.needs_mask or not painted or not painted.get("background"):
            return draft
        try:
            newer = painting.taken(draft, painted, self._services.inputs)
        except EaselError as error:
            log.info("strokes not taken code=%s", error.code)
            return draft
        return newer if newer.mask else draft

    def _submit(self, draft: Draft) -> Job:
        resolved = self._resolver.resolve(usable(draft, self._services.models, self._services.presets))
        if not draft.prompt.strip() and family_of(resolved.record).reads_words:
            raise UserError("prompt-empty")
        return self._services.orchestrator.submit(resolved.request, resolved.record)

    def _guarded(self, act: Callable[[], object]) -> str:
        """Run it; an error comes back as a notice for the page, and as nothing else."""
        try:
            act()
        except EaselError as error:
            log.info("refused code=%s", error.code)
            return notice(error, remedies(error, self._request_or_none(), self._services.models), self._words)
        return ""

    def _request_or_none(self) -> GenerationRequest | None:
        try:
            return self._resolver.resolve(self.draft).request
        except EaselError:
            return None

    # What it shows

    def _resolved(self, draft: Draft) -> Any:
        """The draft as a request; a draft that cannot be resolved is shown without what stands in the way."""
        draft = usable(draft, self._services.models, self._services.presets)
        try:
            return self._resolver.resolve(draft)
        except EaselError:
            return self._resolver.resolve(draft.with_(values={}, preset="", quality=Quality.NORMAL))

    def _all_updates(self) -> list[Any]:
        draft = self.draft
        texts = [draft.prompt, draft.negative_prompt, draft.count, draft.seed, draft.keep_seed]
        return [*self._structural_updates(pictures=True).values(), *texts]

    def _structural_updates(self, pictures: bool = False) -> Updates:
        """What the structural components must look like; pictures are sent again only when `pictures` says so."""
        draft = self._possible(self.draft)
        resolved = self._resolved(draft)
        found = family_of(resolved.record)
        upscalers = tuple(file.name for file in self._services.models.files(Kind.UPSCALER))
        situation = Situation(found, resolved.request, draft.shape, upscalers)
        models = [
            (record.title, record.id)
            for record in self._services.models.all()
            if set(family_of(record).tasks) & set(self._tasks)
        ]
        updates = {
            self.task: gr.update(value=str(draft.task)),
            self.picture: self._picture_update(draft, pictures),
            self.canvas: self._canvas_update(draft, pictures),
            **self._film_updates(draft, found, pictures),
            self.shape: gr.update(choices=self._shapes(draft), value=str(draft.shape)),
            self.quality: gr.update(value=str(draft.quality), info=quality_said(situation, self._words)),
            self.model: gr.update(choices=models, value=resolved.record.id),
            **self._control_updates(situation),
            self.styles.component: self.styles.update(),
            self.estimate.component: self.estimate.update(resolved),
            **({} if self.guides is None else self.guides.updates(situation, pictures)),
        }
        return {component: updates[component] for component in self._structural}

    def _film_updates(self, draft: Draft, found: EngineFamily, anew: bool) -> Updates:
        ends = draft.task is Task.IMAGE_TO_VIDEO and found.video is not None and found.video.last_image
        shown = {"last_image": ends, "init_video": draft.task.needs_video}
        updates = {
            component: gr.update(visible=shown[name], **({"value": self._file(getattr(draft, name))} if anew else {}))
            for name, component in self._films.items()
        }
        if self.player is not None:
            plays = shown["init_video"] and self._file(draft.init_video) is not None
            updates[self.player] = gr.update(value=player(draft.init_video) if plays else "", visible=plays)
        return updates

    def _after_choice(self) -> list[Any]:
        return list(self._structural_updates().values())

    def _control_updates(self, situation: Situation) -> Updates:
        known = [control for control in (*CONTROLS, *PASSES) if control.field in self.controls]
        updates: Updates = {self.controls[control.field]: control.update(situation) for control in known}
        updates[self.said] = gr.update(value=said(situation, self._words), visible=situation.request.task.makes_video)
        if self.loras is not None:
            files = self._services.models.files(Kind.LORA, situation.family.id)
            chosen = [lora_text(use) for use in situation.request.loras]
            names = [*(file.name for file in files), *chosen]
            updates[self.loras] = gr.update(choices=list(dict.fromkeys(names)), value=chosen, visible=bool(names))
        return updates

    def _possible(self, draft: Draft) -> Draft:
        """A draft of another tab's task (the very first one) becomes one of this tab's."""
        return draft if draft.task in self._tasks else self._keep(draft.with_task(self._tasks[0]))

    def _shapes(self, draft: Draft) -> list[tuple[str, str]]:
        takes = draft.task.needs_image or draft.task.needs_video
        shown = [shape for shape in Shape if shape is not Shape.PICTURE or takes]
        return [(self._words(f"shape.{shape}"), str(shape)) for shape in shown]

    def _picture_update(self, draft: Draft, anew: bool) -> Any:
        visible = draft.task.needs_image and not draft.task.needs_mask
        return gr.update(visible=visible, value=self._file(draft.init_image)) if anew else gr.update(visible=visible)

    def _canvas_update(self, draft: Draft, anew: bool) -> Any:
        visible = draft.task.needs_mask
        if not anew or not visible:
            return gr.update(visible=visible)
        value = painting.shown(self._file(draft.init_image), self._file(draft.painting))
        return gr.update(visible=visible, value=value)

    def _file(self, reference: str) -> str | None:
        if not reference:
            return None
        try:
            path: Path = self._services.inputs.path_of(reference)
        except EaselError:
            return None
        return str(path)


def can_be_done(tasks: tuple[Task, ...], services: Services) -> bool:
    """Whether a model on this computer can do one of the tasks."""
    return any(set(family_of(record).tasks) & set(tasks) for record in services.models.all())


def families_for(tasks: tuple[Task, ...]) -> tuple[str, ...]:
    """The titles of the families that could do one of the tasks."""
    return tuple(each.title for each in families() if set(each.tasks) & set(tasks))
