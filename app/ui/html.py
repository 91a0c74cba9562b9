"""Places in the Gradio page that hold our own HTML: without Gradio's typography, which would restyle every button."""

from __future__ import annotations

import gradio as gr


def own_html(markup: str, elem_id: str | None = None) -> gr.HTML:
    """A piece of HTML as it is."""
    return gr.HTML(markup, padding=False, apply_default_css=False, js_on_load=None, elem_id=elem_id)


def mount(what: str, tab: str = "", tag: str = "div") -> gr.HTML:
    """An empty place that the page's script fills: see `resources/web/mounts.js`."""
    return own_html(f'<{tag} data-easel="{what}" data-tab="{tab}"></{tag}>')
