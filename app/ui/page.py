"""The page: six tabs over one set of services. Everything that moves is pushed by the feed, not polled by Gradio."""

from __future__ import annotations

import gradio as gr

from app.services import Services
from app.ui.form import GenerationForm
from app.ui.html import mount, own_html
from app.ui.settings_tab import SettingsTab
from app.ui.views import IMAGE_TASKS, VIDEO_TASKS
from app.ui.words import Words
from engines.api import Task, families


def build_page(services: Services, words: Words) -> gr.Blocks:
    """The Gradio app, ready to be mounted."""
    with gr.Blocks(title="Easel", analytics_enabled=False, fill_width=True) as page:
        _skip_link(words)
        with gr.Tabs(elem_id="tabs"):
            _generation_tab(page, services, words, "image", IMAGE_TASKS)
            _generation_tab(page, services, words, "video", VIDEO_TASKS)
            _script_tab(words, "models")
            _script_tab(words, "presets")
            _script_tab(words, "history")
            with gr.Tab(words("tab.settings"), id="settings", elem_id="tab-settings"):
                SettingsTab(services, words).build()
        own_html('<footer data-easel="status"></footer>', "status")
    return page


def _skip_link(words: Words) -> None:
    own_html(f'<a class="skip" href="#image-prompt">{words("page.skip")}</a>', "skip")


def _generation_tab(page: gr.Blocks, services: Services, words: Words, tab: str, tasks: tuple[Task, ...]) -> None:
    with gr.Tab(words(f"tab.{tab}"), id=tab, elem_id=f"tab-{tab}"):
        able = tuple(task for task in tasks if services.models.able(task))  # no mode that no model here can do
        if not able:
            own_html(_nothing_yet(words, tab, tasks))
            return
        with gr.Row(elem_classes="workbench", equal_height=False):
            with gr.Column(scale=4, min_width=320, elem_classes="wish"):
                form = GenerationForm(services, words, tab, able)
                if tab == "video" and len(able) < len(tasks):
                    own_html(_not_yet(words, [task for task in tasks if task not in able]), "video-not-yet")
            with gr.Column(scale=6, min_width=360, elem_classes="result"):
                mount("stage", tab, "section")
            with gr.Column(scale=1, min_width=132, elem_classes="made"):
                mount("strip", tab, "section")
        form.wire(page)


def _not_yet(words: Words, tasks: list[Task]) -> str:
    """Which modes take a model that is not here, and where there is one: a mode that is missing looks like a fault."""
    missing = ", ".join(words(f"task.{task}") for task in tasks)
    return (
        f'<section class="not-yet"><p class="hint">{words("video.not-yet", tasks=missing)}</p>'
        f'<p><button type="button" class="easel-button" data-command="models-video">{words("video.none.get")}</button></p>'
        "</section>"
    )


def _nothing_yet(words: Words, tab: str, tasks: tuple[Task, ...]) -> str:
    """What the tab is for, and what is missing: an empty place that teaches."""
    known = [each.title for each in families() if set(each.tasks) & set(tasks)]
    way_out = words(f"{tab}.none.families", families=", ".join(known)) if known else words(f"{tab}.none.no-family")
    get = words(f"{tab}.none.get")
    return (
        f'<section class="empty" data-easel="empty"><h2>{words(f"{tab}.none.title")}</h2>'
        f"<p>{words(f'{tab}.none.text')}</p><p>{way_out}</p>"
        f'<p><button type="button" class="easel-button primary" data-command="models-{tab}">{get}</button></p></section>'
    )


def _script_tab(words: Words, name: str) -> None:
    """A tab whose whole content the page's script makes."""
    with gr.Tab(words(f"tab.{name}"), id=name, elem_id=f"tab-{name}"):
        mount(name, tag="section")
