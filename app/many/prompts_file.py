"""A file of prompts, one a line: words, or options as A1111's script of that name takes them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from engines.api import GenerationRequest, UserError

LARGEST = 4_000_000  # bytes
# Names of A1111's script that are others here.
OTHER_NAMES = {
    "cfg_scale": "guidance",
    "sampler_name": "sampler",
    "denoising_strength": "strength",
    "negative": "negative_prompt",
}


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """The wishes of each line. Empty lines and those that begin with `#` are left out; a line that begins with `--` is
    options (`--prompt "a cat" --steps 12`), any other is a prompt. Raises `UserError` naming the line."""
    try:
        if path.stat().st_size > LARGEST:
            raise UserError("prompts-file", path=str(path), line=0, why=f"it is larger than {LARGEST // 1_000_000} MB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("prompts-file", path=str(path), line=0, why=str(error)) from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    wishes = [_wishes(path, number, line) for number, line in lines if line and not line.startswith("#")]
    if not wishes:
        raise UserError("prompts-file", path=str(path), line=0, why="it has no prompt in it")
    return wishes


def _wishes(path: Path, number: int, line: str) -> dict[str, Any]:
    if not line.startswith("--"):
        return {"prompt": line}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UserError("prompts-file", path=str(path), line=number, why=str(error)) from error
    wishes: dict[str, Any] = {}
    while words:
        name, sign, value = words.pop(0).removeprefix("--").partition("=")
        name = OTHER_NAMES.get(name.replace("-", "_"), name.replace("-", "_"))
        if name not in GenerationRequest.model_fields or name == "texts":
            raise UserError("prompts-file", path=str(path), line=number, why=f"there is no setting {name}")
        if not sign and not words:
            raise UserError("prompts-file", path=str(path), line=number, why=f"{name} has no value")
        wishes[name] = value if sign else words.pop(0)
    return wishes
