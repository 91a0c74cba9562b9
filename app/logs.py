"""The log: readable lines with key=value pairs, five files of 1 MB, and no prompts in them."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from app.paths import Paths
from app.redact import HIDDEN, hide_prompt_fields
from app.settings import Settings

LOG_NAME = "easel.log"
LEVEL_VARIABLE = "EASEL_LOG"
FILES, FILE_BYTES = 5, 1_000_000
LINE = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s %(message)s"
TIME = "%Y-%m-%d %H:%M:%S"

_kept_out: deque[str] = deque(maxlen=200)


def hide_prompts(text: str) -> str:
    """`text` without the values of prompt fields, and without every prompt given to `keep_out`."""
    for prompt in _kept_out:
        text = text.replace(prompt, HIDDEN).replace(repr(prompt)[1:-1], HIDDEN)
    return hide_prompt_fields(text)


def keep_out(*prompts: str) -> None:
    """Remember prompts, so that no log line shows them, in whatever message of whatever library they turn up."""
    # One or two characters stand in every line; hiding them would hide the log, and they tell nothing.
    _kept_out.extend(prompt for prompt in prompts if len(prompt.strip()) > 2 and prompt not in _kept_out)


class PromptFreeFormatter(logging.Formatter):
    """Hides prompts in the finished line, so that a traceback or an argument cannot carry one past it."""

    def format(self, record: logging.LogRecord) -> str:
        return hide_prompts(super().format(record))


class QuietRotatingFile(RotatingFileHandler):
    """A rotating file that never gets in the way: a full disk or a file that is held loses lines, not the job."""

    def doRollover(self) -> None:
        try:
            super().doRollover()
        except OSError:  # Windows refuses to rename a file that another Easel has open
            self.stream = self.stream or self._open()

    def close(self) -> None:
        """What a full disk did not take is lost with the closing, and nobody is stopped by it."""
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """The usual one prints a traceback on the screen."""


class _NoFile(logging.NullHandler):
    """Stands in for a log file that cannot be opened; without any handler Python would print to the screen."""


def setup_logging(paths: Paths, settings: Settings) -> Path:
    """Send the log to its file and return that file's path. May be called again; the last call counts."""
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, QuietRotatingFile | _NoFile)]:
        root.removeHandler(old)
        old.close()
    log_file = paths.logs / LOG_NAME
    root.addHandler(_handler(log_file, settings.log_prompts))
    for name in ("app", "engines"):
        logging.getLogger(name).setLevel(level())
    sys.excepthook, threading.excepthook = _uncaught, _uncaught_in_thread
    return log_file


def level() -> int:
    """The level named by EASEL_LOG; INFO when it names none."""
    found = logging.getLevelNamesMapping().get(os.environ.get(LEVEL_VARIABLE, "").upper())
    return found if found is not None else logging.INFO


def _handler(log_file: Path, log_prompts: bool) -> logging.Handler:
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = QuietRotatingFile(log_file, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="utf-8")
    except OSError:
        return _NoFile()  # a picture without a log is better than no picture; `easel doctor` names the folder
    handler.setFormatter((logging.Formatter if log_prompts else PromptFreeFormatter)(LINE, TIME))
    return handler


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("app").critical("uncaught", exc_info=(kind, error, trace))
    print(f"Something in Easel went wrong: {kind.__name__}. The log has the details.", file=sys.stderr)


def _uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    name = what.thread.name if what.thread is not None else "?"
    error = what.exc_value or what.exc_type()
    logging.getLogger("app").critical("uncaught thread=%s", name, exc_info=(what.exc_type, error, what.exc_traceback))
