"""The draft behind a form: kept at each change, read at each update, and resolved into the request that it means."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from app.drafts import Draft, DraftResolver, usable
from app.jobs import Job
from app.remedies import remedies
from app.resolve import Resolved
from app.services import Services
from app.ui.notices import notice
from app.ui.words import Words
from app.wishes import Quality
from engines.api import EaselError, GenerationRequest, Task, UserError, family_of

log = logging.getLogger(__name__)


class KeptDraft:
    """The draft of one tab; `tasks` are the modes that the tab offers."""

    def __init__(self, services: Services, words: Words, tab: str, tasks: tuple[Task, ...]) -> None:
        self.services, self.words, self.tab, self.tasks = services, words, tab, tasks
        self._resolver = DraftResolver(
            services.models, services.presets, services.inputs, lambda: services.settings.usual_values()
        )

    @property
    def changing(self) -> AbstractContextManager[object]:
        """Whoever changes the draft holds this."""
        return self.services.drafts.changing

    def get(self) -> Draft:
        """The draft as it stands."""
        return self.services.drafts.get(self.tab)

    def put(self, draft: Draft) -> Draft:
        """Keep a changed draft."""
        return self.services.drafts.put(self.tab, draft)

    def change(self, **changes: object) -> Draft:
        """Keep the draft with some of its fields changed."""
        return self.put(self.get().with_(**changes))

    def possible(self) -> Draft:
        """The draft; one of another tab's task (the very first one) becomes one of this tab's."""
        draft = self.get()
        if draft.task in self.tasks:
            return draft
        begun = draft.with_task(self.tasks[0])
        return self.put(begun.with_shape_of(family_of(self.resolved(begun).record)))

    def resolved(self, draft: Draft) -> Resolved:
        """The draft as a request; a draft that cannot be resolved is shown without what stands in the way."""
        draft = self._usable(draft)
        try:
            return self._resolver.resolve(draft)
        except EaselError:
            return self._resolver.resolve(draft.with_(values={}, preset="", quality=Quality.NORMAL))

    def submit(self, draft: Draft) -> Job:
        """Send the draft's wish off. Raises `EaselError`."""
        resolved = self._resolver.resolve(self._usable(draft))
        if not draft.prompt.strip() and family_of(resolved.record).reads_words:
            raise UserError("prompt-empty")
        return self.services.orchestrator.submit(resolved.request, resolved.record)

    def path_of(self, reference: str) -> str | None:
        """The file behind a reference to the input store; None for no reference, and for a file that is gone."""
        if not reference:
            return None
        try:
            return str(self.services.inputs.path_of(reference))
        except EaselError:
            return None

    def guarded(self, act: Callable[[], Any]) -> str:
        """Run it; an error comes back as a notice for the page, and as nothing else."""
        try:
            act()
        except EaselError as error:
            log.info("refused code=%s", error.code)
            return notice(error, remedies(error, self._request_or_none(), self.services.models), self.words)
        return ""

    def _usable(self, draft: Draft) -> Draft:
        return usable(draft, self.services.models, self.services.presets)

    def _request_or_none(self) -> GenerationRequest | None:
        try:
            return self._resolver.resolve(self.get()).request
        except EaselError:
            return None
