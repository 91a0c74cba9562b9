"""What a running job looks like: a bar on a terminal, a few plain lines in a pipe, nothing where JSON is wanted."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol, Self

from app.cli import show
from app.events import Event
from engines.api import Progress, Stage

WORDS = {
    Stage.LOAD: "loading the model",
    Stage.ENCODE: "reading the prompt",
    Stage.DENOISE: "drawing",
    Stage.DECODE: "developing",
    Stage.SAVE: "saving",
}


class Face(Protocol):
    """Shows the events of one job between `with` and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def on_event(self, event: Event) -> None:
        """Show one event; called in the orchestrator's thread."""
        ...


def face(as_json: bool) -> Face:
    """The face that suits where standard error goes."""
    if as_json:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def on_event(self, event: Event) -> None:
        """Nothing."""


class Lines(Silent):
    """One line when the model loads and one for each picture."""

    def __init__(self) -> None:
        self._said: set[object] = set()

    def on_event(self, event: Event) -> None:
        """Say it once."""
        progress = event.progress
        if progress is None:
            return
        if progress.note:
            self._say(progress.note, progress.note)
            return
        match progress.stage:
            case Stage.LOAD:
                self._say("load", "loading the model")
            case Stage.DENOISE:
                self._say(progress.image, f"{_which(progress)}: {progress.total} steps")
            case Stage.ENCODE | Stage.DECODE | Stage.SAVE:
                return

    def _say(self, key: object, text: str) -> None:
        if key not in self._said:
            self._said.add(key)
            show.note(text)


class Bar(Silent):
    """A bar with step, total and time left; it goes away when the job is over."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"))
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("waiting", total=None, count="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_event(self, event: Event) -> None:
        """Move the bar."""
        progress = event.progress
        if progress is None:
            return
        count = f"{progress.step}/{progress.total}" if progress.total else ""
        words = (
            f"{_which(progress)}: {WORDS[progress.stage]}" if progress.stage is not Stage.LOAD else WORDS[Stage.LOAD]
        )
        self._bar.update(
            self._task,
            description=words,
            total=progress.total or None,
            completed=progress.step,
            count=f"{count}{time_left(event.seconds_left)}",
        )


def time_left(seconds: float | None) -> str:
    """The rest of a progress line: nothing while the time is not known."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f", {whole} s left"
    minutes, rest = divmod(whole, 60)
    return f", {minutes} min {rest} s left" if minutes < 60 else f", {minutes // 60} h {minutes % 60} min left"


def _which(progress: Progress) -> str:
    return f"picture {progress.image + 1} of {progress.images}"
