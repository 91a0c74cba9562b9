"""Settings: what holds for every picture, and what Easel is and does with what it knows."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app import machine
from app.paths import ROOT
from app.places import check_writable
from app.services import Services
from app.ui.api_section import ApiSection
from app.ui.html import own_html
from app.ui.words import Words
from engines.api import EaselError, ImageFormat, languages

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SHORTCUTS = ("ctrl-enter", "esc", "paste", "arrows")


class SettingsTab:
    """One control for each setting; each is saved when it is changed."""

    def __init__(self, services: Services, words: Words) -> None:
        self._services, self._words = services, words

    def build(self) -> None:
        """Make the tab."""
        words, settings = self._words, self._services.settings
        with gr.Row(elem_classes="settings"):
            with gr.Column(scale=1, min_width=340):
                self._message = own_html("", "settings-message")
                self._choice("language", [(words(f"language.{each}"), each) for each in languages()])
                self._choice("theme", [(words(f"theme.{each}"), each) for each in ("system", "light", "dark")])
                folder = gr.Textbox(
                    str(settings.output_folder or ""),
                    label=words("setting.output_folder"),
                    info=words("setting.output_folder.info", usual=self._services.paths.outputs),
                    elem_id="setting-output_folder",
                )
                folder.submit(self._set_folder, folder, self._message, **QUIET)
                folder.blur(self._set_folder, folder, self._message, **QUIET)
                self._choice("image_format", [(words(f"format.{each}"), str(each)) for each in ImageFormat])
                self._memory()
                self._switch("save_metadata")
                self._switch("log_prompts")
                ApiSection(self._services, words, self._message, self._change).build()
            with gr.Column(scale=1, min_width=340):
                own_html(self._about(), "about")

    def _choice(self, name: str, options: list[tuple[str, str]]) -> None:
        words = self._words
        value = getattr(self._services.settings, name)
        control = gr.Dropdown(
            options,
            value=value,
            label=words(f"setting.{name}"),
            info=words(f"setting.{name}.info"),
            elem_id=f"setting-{name}",
        )
        control.input(lambda chosen: self._change(name, chosen), control, self._message, **QUIET)

    def _switch(self, name: str) -> None:
        words = self._words
        value = getattr(self._services.settings, name)
        control = gr.Checkbox(
            value, label=words(f"setting.{name}"), info=words(f"setting.{name}.info"), elem_id=f"setting-{name}"
        )
        control.input(lambda chosen: self._change(name, chosen), control, self._message, **QUIET)

    def _memory(self) -> None:
        """What models may use: Easel sees what is free, unless a number says otherwise."""
        words = self._words
        control = gr.Number(
            self._services.settings.memory_limit,
            label=words("setting.memory_limit"),
            info=words("setting.memory_limit.info"),
            minimum=0,
            step=0.5,
            elem_id="setting-memory_limit",
        )
        control.change(lambda value: self._change("memory_limit", value or 0), control, self._message, **QUIET)

    def _set_folder(self, text: str) -> str:
        folder = Path(text).expanduser() if text.strip() else None
        if folder == self._services.settings.output_folder:
            return ""
        try:
            if folder is not None:
                check_writable(folder.absolute())
        except EaselError as error:
            return self._problem(error)
        return self._change("output_folder", folder.absolute() if folder is not None else None)

    def _change(self, name: str, value: object) -> str:
        try:
            self._services.change_settings(**{name: value})
        except EaselError as error:
            return self._problem(error)
        later = "settings.saved.later" if name in ("language", "theme") else "settings.saved"
        return f'<p class="saved" role="status">{escape(self._words(later))}</p>'

    def _problem(self, error: EaselError) -> str:
        message = error.message
        fixes = "".join(f"<li>{escape(fix)}</li>" for fix in message.fixes)
        title, cause = escape(message.title), escape(message.cause)
        return f'<div class="card error" role="alert"><h3>{title}</h3><p>{cause}</p><ul>{fixes}</ul></div>'

    def _about(self) -> str:
        words, facts = self._words, machine.environment()
        packages = facts["packages"]
        assert isinstance(packages, dict)
        versions = ", ".join(f"{name} {version}" for name, version in packages.items())
        keys = "".join(
            f"<dt><kbd>{words(f'shortcut.{name}.keys')}</kbd></dt><dd>{words(f'shortcut.{name}')}</dd>"
            for name in SHORTCUTS
        )
        return (
            f"<h2>{words('about.title')}</h2><p>Easel {facts['easel']}. {words('about.licence')}</p>"
            f"<h3>{words('about.privacy')}</h3><p>{words('about.privacy.text')}</p>"
            f"<h3>{words('settings.folders')}</h3>" + '<div data-easel="storage"></div>'
            f"<h3>{words('about.shortcuts')}</h3><dl>{keys}</dl>"
            f"<h3>{words('about.help')}</h3><p>{words('about.help.text')}</p>"
            f'<p><button type="button" class="easel-button" data-command="report">{words("menu.report")}</button> '
            f'<button type="button" class="easel-button" data-command="outputs">{words("menu.outputs")}</button></p>'
            f"<details><summary>{words('about.versions')}</summary><p>{escape(versions)}, Python {facts['python']}, "
            f"{escape(str(facts['system']))}</p></details>"
            f"<details><summary>{words('about.licences')}</summary><pre>{escape(_licences())}</pre></details>"
        )


def _licences() -> str:
    """Easel's notice and the licences of what travels with it."""
    files = (ROOT / "NOTICE", ROOT / "resources" / "starter" / "LICENSES.md")
    return "\n\n".join(path.read_text(encoding="utf-8") for path in files if path.is_file())
