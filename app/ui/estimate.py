"""The line beside Generate: what the wish will take of this computer's memory and time, worked out from headers and past jobs."""

from __future__ import annotations

import logging
from html import escape
from typing import Any

import gradio as gr

from app.addons import known_addon_files
from app.file_sizes import FileSize
from app.places import readable, rooms_for
from app.resolve import Resolved
from app.services import Services
from app.ui.html import own_html
from app.ui.words import Words
from engines.api import EaselError, UserError

log = logging.getLogger(__name__)

GB = 1e9
MINUTE, HOUR = 60, 3600
EXACT = 90  # seconds up to which seconds are said


class EstimateLine:
    """One sentence, made anew at each change of the form; milliseconds, because headers and measurements are remembered."""

    def __init__(self, services: Services, words: Words, tab: str) -> None:
        self._services, self._words = services, words
        self.component = own_html("", f"{tab}-estimate")

    def update(self, resolved: Resolved) -> Any:
        """The component with the sentence for this wish."""
        return gr.update(value=self.html(resolved))

    def html(self, resolved: Resolved) -> str:
        """The sentence; nothing for a wish that no model draws, or one that cannot be planned."""
        if not resolved.request.needs_model:
            return ""
        try:
            files = known_addon_files(resolved.request, resolved.record, self._services.models)
            estimate = self._services.planner.estimate(resolved.request, resolved.record, files)
        except (EaselError, OSError):
            log.debug("no estimate", exc_info=True)
            return ""
        plan, size = estimate.plan, self._services.planner.file_size(resolved.request)
        numbers = {"needed": f"{estimate.needed / GB:.1f}", "usable": f"{estimate.usable / GB:.1f}"}
        if not plan.fits:
            return f'<p class="estimate too-much">{escape(self._words("estimate.too-much", **numbers))}</p>'
        if size is not None and (refusal := self._no_room(resolved, size)):
            return refusal
        text = self._words("estimate.needs", **numbers)
        if estimate.seconds is not None:
            text = f"{text}, {self._duration(estimate.seconds)}"
        if size is not None:
            text = f"{text}, {self._words('estimate.file', size=readable(size.likely))}"
        basis = self._words("estimate.measured" if estimate.measured else "estimate.rough")
        title = escape(" · ".join((basis, *plan.reasons)), quote=True)
        return f'<p class="estimate" title="{title}">{escape(text)}.</p>'

    def _no_room(self, resolved: Resolved, size: FileSize) -> str:
        """The sentence for a disk that is too small; nothing where there is room, or where nobody can say."""
        staging, outputs = self._services.paths.staging, self._services.outputs.folder
        try:
            rooms = rooms_for(resolved.request, size, outputs, staging)
        except UserError:  # a drive that is out, say: sending the wish says it
            return ""
        short = next((each for each in rooms if not each.enough), None)
        if short is None:
            return ""
        numbers = {"needed": readable(short.needed), "free": readable(short.free)}
        return f'<p class="estimate too-much">{escape(self._words("estimate.no-room", **numbers))}</p>'

    def _duration(self, seconds: float) -> str:
        if seconds <= EXACT:
            return self._words("estimate.takes.seconds", count=max(1, round(seconds)))
        if seconds <= EXACT * MINUTE:
            return self._words("estimate.takes.minutes", count=round(seconds / MINUTE))
        return self._words("estimate.takes.hours", count=f"{seconds / HOUR:.1f}")
