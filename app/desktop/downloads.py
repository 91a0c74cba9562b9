"""Save as, in the Qt window: pywebview's own download handler fails with Qt 6 (pywebview 6.2.1 calls setPath)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from platformdirs import user_downloads_path

log = logging.getLogger(__name__)


def enable_downloads(native: Any) -> None:
    """Let the Qt window ask where a file goes, and save it there. `native` is pywebview's BrowserView."""
    native.profile.downloadRequested.connect(lambda download: _save(native, download))


def _save(native: Any, download: Any) -> None:
    """Runs on Qt's own thread, which is where a dialog belongs."""
    from PySide6.QtWidgets import QFileDialog

    proposed = user_downloads_path() / download.downloadFileName()
    chosen, _filter = QFileDialog.getSaveFileName(native, "", str(proposed))
    accept(download, chosen)


def accept(download: Any, chosen: str) -> None:
    """Save to the chosen path; an empty one means that the person thought better of it."""
    if not chosen:
        download.cancel()
        return
    target = Path(chosen)
    download.setDownloadDirectory(str(target.parent))
    download.setDownloadFileName(target.name)
    download.accept()
    log.info("download accepted")
