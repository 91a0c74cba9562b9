"""Who uses this computer and what it is called: what a report must not say. From the standard library alone."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from app.names import slug
from app.redact import Identity

# They name nobody, and hiding such words would hide half of the log.
NOBODY = {"root", "user", "admin", "administrator", "localhost", "localdomain", "home", "users"}


def identity(prompts: Iterable[str] = ()) -> Identity:
    """Who uses this computer, what it is called, and the prompts with the file names that are made of them."""
    names = {name for name in _names() if len(name) > 1 and name.casefold() not in NOBODY}
    homes = {home for home in _homes() if len(home) > 2}
    told = {part.strip() for prompt in prompts for part in (prompt, *prompt.splitlines(), slug(prompt))}
    return Identity(tuple(sorted(names)), tuple(sorted(homes)), tuple(sorted(text for text in told if len(text) > 2)))


def _names() -> Iterable[str]:
    for variable in ("USER", "LOGNAME", "USERNAME", "SUDO_USER", "COMPUTERNAME", "HOSTNAME", "USERDOMAIN"):
        yield os.environ.get(variable, "")
    for read in (getpass.getuser, socket.gethostname, _full_name):
        try:
            name = read()
        except (OSError, KeyError, ImportError):
            continue
        yield from (name, name.partition(".")[0], *name.split())
    yield from (Path(home).name for home in _homes())


def _full_name() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]


def _homes() -> Iterable[str]:
    yield from (os.environ.get(variable, "").rstrip("/\\") for variable in ("HOME", "USERPROFILE"))
    try:
        yield str(Path.home())
    except RuntimeError:
        return
