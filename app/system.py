"""What the desktop does for us: show a file in its folder, open a folder."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from engines.api import UserError

log = logging.getLogger(__name__)

# The file manager marks the file; the interface is freedesktop.org's, and most file managers have it.
FILE_MANAGER = (
    "dbus-send",
    "--session",
    "--print-reply",
    "--reply-timeout=2000",
    "--dest=org.freedesktop.FileManager1",
    "/org/freedesktop/FileManager1",
    "org.freedesktop.FileManager1.ShowItems",
)


def show_file(path: Path) -> None:
    """Open the file's folder with the file marked, where the system can mark it. Raises `UserError`."""
    if sys.platform == "win32":
        subprocess.Popen(["explorer", "/select,", str(path)])
    elif sys.platform == "darwin":
        _run(["open", "-R", str(path)], path.parent)
    elif not _marked_by_file_manager(path):
        open_folder(path.parent)


def open_folder(folder: Path) -> None:
    """Open a folder, made if it is not there. Raises `UserError("folder-not-shown")` where nothing can open it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError("folder-not-shown", folder=str(folder), why=error.strerror or str(error)) from error
    if sys.platform == "win32":
        os.startfile(folder)
    elif sys.platform == "darwin":
        _run(["open", str(folder)], folder)
    else:
        opener = shutil.which("xdg-open")
        if opener is None:
            raise UserError("folder-not-shown", folder=str(folder), why="this desktop has no xdg-open")
        _run([opener, str(folder)], folder)


def _marked_by_file_manager(path: Path) -> bool:
    if not shutil.which(FILE_MANAGER[0]) or not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return False
    command = [*FILE_MANAGER, f"array:string:{path.as_uri()}", "string:"]
    try:
        return subprocess.run(command, capture_output=True, timeout=3, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        log.info("the file manager takes its time")
        return
    except OSError as error:
        raise UserError("folder-not-shown", folder=str(folder), why=error.strerror or str(error)) from error
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or [f"{command[0]} gave {done.returncode}"])[-1]
        raise UserError("folder-not-shown", folder=str(folder), why=why)
