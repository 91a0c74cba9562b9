"""Throwing away what a download left: its own staging folder and nothing else."""

from __future__ import annotations

import contextlib
import shutil

from app.download.records import DownloadRecord


def remove_staging(record: DownloadRecord) -> None:
    """Remove the folder of a download that nobody wants any more."""
    shutil.rmtree(record.staging, ignore_errors=True)
    with contextlib.suppress(OSError):
        record.staging.parent.rmdir()  # only when it is empty
