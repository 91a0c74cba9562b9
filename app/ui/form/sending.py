"""Generate: the wish is sent off with all that the page shows, also what has not reached the draft yet."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from app.drafts import Draft
from app.jobs import Job
from app.ui import painting
from app.ui.form.changes import FormChanges
from app.ui.form.kept import KeptDraft
from app.ui.form.looks import Updates
from app.ui.form.parts import FormParts
from app.ui.in_turn import in_turn
from engines.api import EaselError

log = logging.getLogger(__name__)


class FormSending:
    """The handler of Generate and of its sibling that puts a wish into the queue."""

    def __init__(self, kept: KeptDraft, parts: FormParts, changes: FormChanges) -> None:
        self._kept, self._parts, self._changes = kept, parts, changes
        self.changing = kept.changing

    @property
    def sent(self) -> list[Any]:
        """The components whose values the page sends along, in the order of `send`'s arguments."""
        parts = self._parts
        texts, numbers = [parts.prompt, parts.negative], [parts.count, parts.seed, parts.keep_seed]
        return [*texts, *numbers, parts.shape, parts.quality, parts.pictures.canvas]

    @in_turn
    def send(
        self,
        prompt: str,
        negative: str,
        count: float,
        seed: float | None,
        keep_seed: bool,
        shape: str,
        quality: str,
        painted: dict[str, Any] | None,
    ) -> Updates:
        """Submit what the page shows: the last letters, strokes and choices may not be in the draft."""
        self._choose_shown(shape, quality)
        words = {"prompt": prompt or "", "negative_prompt": negative or ""}
        number = None if seed is None else int(seed)
        draft = self._with_last_strokes(painted).with_(**words, count=int(count), seed=number, keep_seed=keep_seed)
        return self._submitted(self._kept.put(draft))

    def _submitted(self, draft: Draft) -> Updates:
        made: list[Job] = []
        problem = self._kept.guarded(lambda: made.append(self._kept.submit(draft)))
        if not made:
            return {self._parts.notice: problem}
        seed = made[0].request.seed
        self._kept.put(draft.with_(seed=seed))
        return {self._parts.notice: json.dumps({"id": uuid.uuid4().hex, "job": made[0].id}), self._parts.seed: seed}

    def _choose_shown(self, shape: str, quality: str) -> None:
        for name, shown in (("shape", shape), ("quality", quality)):
            if shown and shown != str(getattr(self._kept.get(), name)):
                self._changes.choose(name, shown)

    def _with_last_strokes(self, painted: dict[str, Any] | None) -> Draft:
        """The draft with what the editor holds now; an editor that is only just being filled does not empty it."""
        draft = self._kept.get()
        if not draft.task.needs_mask or not painted or not painted.get("background"):
            return draft
        try:
            newer = painting.taken(draft, painted, self._kept.services.inputs)
        except EaselError as error:
            log.info("strokes not taken code=%s", error.code)
            return draft
        return newer if newer.mask else draft
