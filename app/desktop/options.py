"""What somebody who starts the window can ask for, and the flags of other programs that mean something else here."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engines.api import UserError


@dataclass(frozen=True)
class Options:
    """How the window is to be started. `password` goes with `listen`; `model_folders` are used beside the usual ones."""

    port: int = 0
    listen: bool = False
    password: str | None = None
    browser: bool = False
    theme: str = ""
    model_folders: tuple[Path, ...] = field(default_factory=tuple)
    api: bool = False
    api_port: int = 0
    api_key: str = ""
    api_origins: tuple[str, ...] = ()
    mcp: bool = False


NOT_NEEDED = "it is decided by itself, from the memory that is there"
NOT_YET = "this version does not use such files yet"
ALWAYS = "it is always so"
NEVER = "Easel never does that"

# Flags in the start scripts of A1111, Forge and ComfyUI: whether a value follows, and why nothing comes of it.
ELSEWHERE: dict[str, tuple[bool, str]] = {
    "--lowvram": (False, NOT_NEEDED),
    "--medvram": (False, NOT_NEEDED),
    "--medvram-sdxl": (False, NOT_NEEDED),
    "--highvram": (False, NOT_NEEDED),
    "--normalvram": (False, NOT_NEEDED),
    "--novram": (False, NOT_NEEDED),
    "--cpu": (False, NOT_NEEDED),
    "--always-gpu": (False, NOT_NEEDED),
    "--no-half": (False, NOT_NEEDED),
    "--no-half-vae": (False, NOT_NEEDED),
    "--precision": (True, NOT_NEEDED),
    "--upcast-sampling": (False, NOT_NEEDED),
    "--xformers": (False, NOT_NEEDED),
    "--opt-sdp-attention": (False, NOT_NEEDED),
    "--opt-split-attention": (False, NOT_NEEDED),
    "--use-split-cross-attention": (False, NOT_NEEDED),
    "--use-pytorch-cross-attention": (False, NOT_NEEDED),
    "--use-cpu": (True, NOT_NEEDED),
    "--skip-torch-cuda-test": (False, NOT_NEEDED),
    "--lora-dir": (True, NOT_YET),
    "--vae-dir": (True, NOT_YET),
    "--embeddings-dir": (True, NOT_YET),
    "--esrgan-models-path": (True, NOT_YET),
    "--controlnet-dir": (True, NOT_YET),
    "--hypernetwork-dir": (True, NOT_YET),
    "--no-gradio-queue": (False, ALWAYS),
    "--disable-safe-unpickle": (False, NEVER),
    "--enable-insecure-extension-access": (False, NEVER),
    "--share": (False, NEVER),
    "--update-check": (False, NEVER),
    "--skip-install": (False, NOT_NEEDED),
    "--skip-python-version-check": (False, NOT_NEEDED),
}
OWN = (
    *("--port", "--listen", "--gradio-auth", "--theme", "--data-dir", "--ckpt-dir", "--models-dir"),
    *("--autolaunch", "--inbrowser", "--browser", "--api", "--mcp", "--nowebui", "--api-auth", "--cors-allow-origins"),
)


@dataclass(frozen=True)
class Ignored:
    """A flag of another program that changes nothing here, and why."""

    flag: str
    why: str


def ignored_flags(words: Sequence[str]) -> tuple[Ignored, ...]:
    """The flags of other programs among `words`. Raises `UserError("flag-unknown")` for anything that nobody knows."""
    found: list[Ignored] = []
    rest = list(words)
    while rest:
        name, _, value = rest.pop(0).partition("=")
        if name not in ELSEWHERE:
            nearest = difflib.get_close_matches(name, [*OWN, *ELSEWHERE], 3, 0.5) or OWN
            raise UserError("flag-unknown", flag=name, nearest=nearest)
        takes_value, why = ELSEWHERE[name]
        while takes_value and not value and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        found.append(Ignored(name, why))
    return tuple(found)


def password_of(text: str) -> str:
    """The password of "user:password", as `--gradio-auth` takes it; Easel asks for no user name."""
    user, sign, password = text.partition(":")
    return password if sign and password else user
