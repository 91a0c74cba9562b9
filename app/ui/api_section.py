"""The part of the settings that lets other programs use Easel: a switch, a key, and examples to copy."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from app.services import Services
from app.ui.html import own_html
from app.ui.words import Words

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class ApiSection:
    """`change` saves one setting and returns what is said about it, as HTML."""

    def __init__(self, services: Services, words: Words, message: Any, change: Callable[[str, object], str]) -> None:
        self._services, self._words, self._message, self._change = services, words, message, change

    def build(self) -> None:
        """Make the controls."""
        words, settings = self._words, self._services.settings
        with gr.Accordion(words("api.title"), open=settings.api, elem_id="setting-api-section"):
            switch = gr.Checkbox(
                settings.api, label=words("setting.api"), info=words("setting.api.info"), elem_id="setting-api"
            )
            key = gr.Textbox(
                settings.api_key,
                label=words("setting.api_key"),
                info=words("setting.api_key.info"),
                type="password",
                elem_id="setting-api_key",
            )
            pages = gr.Textbox(
                "\n".join(settings.api_origins),
                label=words("setting.api_origins"),
                info=words("setting.api_origins.info"),
                placeholder="https://…",
                lines=1,
                elem_id="setting-api_origins",
            )
            assistants = gr.Checkbox(
                settings.mcp, label=words("setting.mcp"), info=words("setting.mcp.info"), elem_id="setting-mcp"
            )
            examples = own_html(self._examples(), "api-examples")
        outputs = [self._message, examples]
        switch.input(lambda on: self._set("api", on), switch, outputs, **QUIET)
        assistants.input(lambda on: self._set("mcp", on), assistants, outputs, **QUIET)
        for box, name, read in ((key, "api_key", str.strip), (pages, "api_origins", str.split)):
            for event in (box.submit, box.blur):
                event(self._setter(name, read), box, outputs, **QUIET)

    def _setter(self, name: str, read: Callable[[str], Any]) -> Callable[[str], tuple[str, str]]:
        return lambda text: self._set(name, read(text))

    def _set(self, name: str, value: object) -> tuple[str, str]:
        said = "" if getattr(self._services.settings, name) == value else self._change(name, value)
        return said, self._examples()

    def _examples(self) -> str:
        """Where it is, and what to write into the programs that people have."""
        words, api = self._words, self._services.api
        if (served := api.served) is None:
            return f"<p>{escape(words('api.off'))}</p>"
        shown = examples(api.address, served.key, served.mcp)
        lines = "".join(f"<h4>{escape(title)}</h4><pre><code>{escape(text)}</code></pre>" for title, text in shown)
        there = escape(words("api.on", address=api.address))
        return (
            f'<p>{there}</p><p><a href="{api.address}/docs" target="_blank">{escape(words("api.docs"))}</a></p>{lines}'
        )


def examples(address: str, key: str, mcp: bool) -> list[tuple[str, str]]:
    """Titles and texts: the addresses that programs ask for, and a first picture from a terminal and from Python.

    With `mcp` also what assistants have in their settings.
    """
    header = f' -H "Authorization: Bearer {key}"' if key else ""
    body = json.dumps({"prompt": "a red apple", "seed": 3})
    found = [
        ("SillyTavern, Open WebUI, LibreChat (AUTOMATIC1111)", address),
        ("OpenAI", f"{address}/v1"),
        ("curl", f"curl {address}/v1/images/generations{header} -H 'Content-Type: application/json' -d '{body}'"),
        (
            "Python",
            "from openai import OpenAI\n"
            f'client = OpenAI(base_url="{address}/v1", api_key="{key or "none"}")\n'
            'picture = client.images.generate(prompt="a red apple").data[0].b64_json',
        ),
    ]
    return [*found, ("MCP", _assistant(address, key))] if mcp else found


def _assistant(address: str, key: str) -> str:
    headers = {"headers": {"Authorization": f"Bearer {key}"}} if key else {}
    return json.dumps({"mcpServers": {"easel": {"type": "http", "url": f"{address}/mcp", **headers}}})
