"""The line beside Generate says what a wish takes, and that one which cannot fit will not start."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from app.bootstrap import build_services
from app.paths import RESOURCES, Paths
from app.resolve import resolve
from app.ui.estimate import EstimateLine
from app.ui.words import Words


def test_the_line_says_memory_and_time_and_follows_the_limit(tmp_path: Path) -> None:
    with build_services(Paths.below(tmp_path)) as services:
        line = EstimateLine(services, Words("en"), "image")
        small = resolve(models=services.models, values={"prompt": "x", "width": 64, "height": 64, "seed": 1})
        large = resolve(
            models=services.models, values={"prompt": "x", "width": 64, "height": 64, "count": 8, "seed": 1}
        )
        text = line.html(small)
        assert re.search(r">Needs about [\d.]+ of [\d.]+ GB, about \d+ s\.</p>", text)
        assert line.html(large) != "" and "<script" not in text
        started = time.process_time()
        for _ in range(10):
            line.html(small)
        assert (time.process_time() - started) / 10 < 0.05
        services.change_settings(memory_limit=0.1)
        assert "will not start" in line.html(small)
        services.change_settings(memory_limit=0)
        assert "will not start" not in line.html(small)


def test_the_german_line_has_no_english_in_it() -> None:
    """Nor have the history and the settings, which are German as a whole."""
    english, german = (
        json.loads((RESOURCES / "texts" / f"{each}.json").read_text(encoding="utf-8")) for each in ("en", "de")
    )
    whole = ("history.", "setting.", "estimate.file", "estimate.no-room", "estimate.takes")
    assert [name for name in english if name.startswith(whole) and name not in german] == []
