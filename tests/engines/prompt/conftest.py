"""Properties are tried without a deadline: a busy machine is no wrong answer."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None, max_examples=100)
settings.load_profile("patient")
