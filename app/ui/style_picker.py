"""A list of styles beside the words: choosing one puts its words around them, where everybody can see and change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.drafts import Draft
from app.services import Services
from app.styles import StyleStore
from app.ui.in_turn import QUIET
from app.ui.words import Words


class StylePicker:
    """One dropdown, seen where there are styles. `draft` gives the tab's draft, `keep` keeps a changed one."""

    def __init__(
        self, services: Services, words: Words, tab: str, draft: Callable[[], Draft], keep: Callable[[Draft], Draft]
    ) -> None:
        self._services, self._draft, self._keep = services, draft, keep
        self.component = gr.Dropdown(
            [], label=words("form.style"), info=words("form.style.info"), visible=False, elem_id=f"{tab}-style"
        )

    def wire(self, texts: list[Any], notice: Any, guarded: Callable[[Callable[[], object]], str]) -> None:
        """Connect it; `texts` are prompt and negative prompt, `notice` shows what `guarded` says of an error."""

        def chosen(name: str | None, prompt: str, negative: str) -> list[Any]:
            with self._services.drafts.changing:
                problem = guarded(lambda: self._put(name, prompt, negative)) if name else ""
                draft = self._draft()
            return [draft.prompt, draft.negative_prompt, None, problem or gr.skip()]

        self.component.input(chosen, [self.component, *texts], [*texts, self.component, notice], **QUIET)

    def update(self) -> Any:
        """What makes it show the styles of now."""
        names = [style.name for style in StyleStore(self._services.paths.styles).usable()]
        return gr.update(choices=names, value=None, visible=bool(names))

    def _put(self, name: str, prompt: str, negative: str) -> None:
        """Around what the page shows: the last letters may not have reached the draft."""
        store = StyleStore(self._services.paths.styles)
        self._keep(self._draft().with_(prompt=prompt or "", negative_prompt=negative or ""))
        prompt, negative = store.apply([name], prompt or "", negative or "")
        self._keep(self._draft().with_(prompt=prompt, negative_prompt=negative))
