"""Open a file, open a folder: the system's own dialogs, as pywebview shows them."""

from __future__ import annotations

from typing import Any

from app.dialogs import Pick
from app.ui.words import Words

ENDINGS = "*.safetensors;*.sft;*.gguf"


def ask_for(window: Any, words: Words, what: Pick) -> str:
    """The path that the person chose, or "". Must not be called on the thread of the window itself, which has to draw it."""
    import webview

    if what is Pick.FOLDER:
        chosen = window.create_file_dialog(webview.FileDialog.FOLDER)
    else:
        kinds = (f"{words('dialog.models')} ({ENDINGS})", f"{words('dialog.all')} (*.*)")
        chosen = window.create_file_dialog(webview.FileDialog.OPEN, file_types=kinds)
    return str(chosen[0]) if chosen else ""
