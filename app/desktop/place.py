"""Where the window was and how large: kept between starts, and used only where it can still be seen."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.files import write_atomic

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
SMALLEST = (640, 480)
SEEN = 80  # pixels of the title bar that must lie on a screen, so that it can be dragged


@dataclass(frozen=True)
class Screen:
    """A screen's place and size in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class WindowPlace:
    """Size and place in pixels; without a place the window stands in the middle."""

    width: int = 1280
    height: int = 860
    x: int | None = None
    y: int | None = None
    maximized: bool = False

    def fitted(self, screens: Sequence[Screen]) -> WindowPlace:
        """The place, or the middle of the first screen where this one is not there any more; never larger than it."""
        if not screens:
            return self
        home = next((screen for screen in screens if self._seen_on(screen)), None)
        width = max(SMALLEST[0], min(self.width, (home or screens[0]).width))
        height = max(SMALLEST[1], min(self.height, (home or screens[0]).height))
        if home is None:
            return WindowPlace(width, height, maximized=self.maximized)
        return WindowPlace(width, height, self.x, self.y, self.maximized)

    def _seen_on(self, screen: Screen) -> bool:
        if self.x is None or self.y is None:
            return False
        across = min(self.x + self.width, screen.x + screen.width) - max(self.x, screen.x)
        return across >= SEEN and screen.y <= self.y <= screen.y + screen.height - SEEN


def load_place(path: Path) -> WindowPlace:
    """What was kept; the usual place when nothing was, or nothing that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema_version") != SCHEMA_VERSION:
            return WindowPlace()
        place = WindowPlace(**data)
        numbers = [each for each in (place.width, place.height, place.x, place.y) if each is not None]
        return place if all(type(each) is int and abs(each) < 100_000 for each in numbers) else WindowPlace()
    except FileNotFoundError:
        return WindowPlace()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        log.info("the window's place cannot be read")
        return WindowPlace()


def save_place(path: Path, place: WindowPlace) -> None:
    """Keep it; a full disk is no reason to complain about a window's place."""
    try:
        write_atomic(path, json.dumps({"schema_version": SCHEMA_VERSION, **asdict(place)}).encode())
    except OSError:
        log.info("the window's place could not be kept", exc_info=True)
