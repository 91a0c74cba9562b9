"""Beside the quality stands how fast it was on this computer, once pictures of it and of Normal were made."""

from __future__ import annotations

from pathlib import Path

from app.bootstrap import build_services
from app.jobs import Succeeded
from app.paths import Paths
from app.ui.controls import Situation, quality_said
from app.ui.form.kept import KeptDraft
from app.ui.form.looks import FormLooks
from app.ui.words import Words
from app.wishes import Quality
from engines.api import Task, family_of


def test_speeds_are_said_when_both_were_measured(tmp_path: Path) -> None:
    with build_services(Paths.below(tmp_path)) as services:
        words = Words("en")
        kept = KeptDraft(services, words, "image", (Task.TEXT_TO_IMAGE,))
        looks = FormLooks(kept, None)  # pyright: ignore
        draft = kept.possible().with_(prompt="a red apple")
        quick, normal = draft.with_(quality=Quality.DRAFT), draft.with_(quality=Quality.NORMAL)
        for each in (quick, normal):
            assert looks._times(quick) is None, "nothing was measured yet"
            resolved = kept.resolved(each)
            job = services.orchestrator.submit(resolved.request, resolved.record)
            assert isinstance(services.orchestrator.wait(job.id, 300).state, Succeeded)
        times = looks._times(quick)
        assert times is not None and times > 0
        assert looks._times(normal) is None, "Normal beside itself says nothing"
        resolved = kept.resolved(quick)
        situation = Situation(family_of(resolved.record), resolved.request, quick.shape)
        assert "times as fast as Normal here" in quality_said(situation, words, 2.1)
        assert "2.0 times as long as Normal here" in quality_said(situation, words, 0.5)
        assert "Normal" not in quality_said(situation, words, 1.01)
