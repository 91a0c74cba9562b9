"""The entry point: runs the command line and turns whatever goes wrong into a sentence and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

REPORTED = ("ledger-broken", "server-not-started")  # Easel cannot start, and it is nobody's mistake
STOPPED, BROKEN_PIPE = 130, 141  # 128 + SIGINT, 128 + SIGPIPE: what shells say for them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a bug, 2 user, 3 resources, 4 network, 130 stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from app.cli.show import prepare_streams
        from app.commands import cli, with_default
    except Exception as error:  # a damaged installation: nothing of Easel can be counted on
        from app.last_resort import cannot_import

        return cannot_import(error)
    prepare_streams()
    try:
        cli(args=with_default(given), prog_name="easel")
        return _flush()
    except SystemExit as leaving:
        return _flush() or _status(leaving)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        return _hush()
    except Exception as error:  # the one boundary: a person meets sentences, the log gets the traceback
        return _explain(error, given)


def _status(leaving: SystemExit) -> int:
    return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)


def _flush() -> int:
    """Write out what is buffered, here: at the interpreter's end a closed pipe would print a complaint."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _hush()
    return 0


def _hush() -> int:
    """Whoever read our output is gone: leave without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _explain(error: Exception, given: Sequence[str]) -> int:
    from app.cli import show
    from app.last_resort import offer
    from engines.api import EaselError, ErrorRecord, InternalError

    if not isinstance(error, EaselError):
        where = _log(error)
        what = f"{type(error).__name__}: {error}"
        cause, error = error, InternalError("internal", what=f"{what} ({where} has the details.)" if where else what)
        error.__cause__ = cause
    record = ErrorRecord.of(error)
    show.error(record, "--json" in given)
    if with_window(given) and (record.code in REPORTED or record.exit_status == 1):
        offer(error.__cause__ or error)
    return record.exit_status


def with_window(given: Sequence[str]) -> bool:
    """Whether these words open Easel; other commands can be followed by `easel export-debug`, which may not start either."""
    return not given or given[0] in ("ui", "open", "serve") or given[0].startswith("-")


def _log(error: Exception) -> Path | None:
    """Write the traceback to the log and return the log's path; None when even that is impossible."""
    from app.logs import setup_logging
    from app.paths import Paths
    from app.settings import Settings

    try:
        log_file = setup_logging(Paths.default(), Settings())
        logging.getLogger("app").error("uncaught", exc_info=error)
    except (OSError, RuntimeError):
        return None
    return log_file


if __name__ == "__main__":
    sys.exit(main())
