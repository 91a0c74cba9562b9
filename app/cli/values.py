"""What was written behind an option, as a request holds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMAGE_SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".avif": "avif"}
VIDEO_SUFFIXES = {".webm": "webm", ".mp4": "mp4", ".gif": "gif", ".webp": "webp"}


def assignments(texts: list[str]) -> dict[str, Any]:
    """Field and value of each `field=value`. Raises `UserError("set-malformed")`."""
    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            from engines.api import UserError

            raise UserError("set-malformed", text=text)
        values[name.strip().replace("-", "_")] = value
    return values


def formats(name: str | None, out: Path | None) -> dict[str, str]:
    """What pictures and videos are saved as, by a name or by the ending of the file. Raises `UserError("format-unknown")`."""
    suffix = f".{name.strip().lower()}" if name else out.suffix.lower() if out is not None else ""
    tables = {"image_format": IMAGE_SUFFIXES, "video_format": VIDEO_SUFFIXES | {".webm-av1": "webm-av1"}}
    found = {field: table[suffix] for field, table in tables.items() if suffix in table}
    if name and not found:
        from engines.api import UserError

        raise UserError("format-unknown", name=name)
    return found


def lora_use(text: str) -> dict[str, Any]:
    """NAME, NAME:WEIGHT or NAME:TEXT WEIGHT:WEIGHT, as a prompt's <lora:…> has them. Raises `UserError("lora-malformed")`."""
    from engines.api import UserError, parse_lora

    use = parse_lora(text)
    if use is None:
        raise UserError("lora-malformed", text=text)
    return use.model_dump()


def control_use(text: str) -> dict[str, Any]:
    """The values of "file=NAME,image=PATH,…" for a ControlNet. Raises `UserError("control-malformed")`."""
    from engines.api import ControlUse

    return _use(text, ControlUse.model_fields, "control-malformed")


def ip_adapter_use(text: str) -> dict[str, Any]:
    """The same for an IP-Adapter. Raises `UserError("ip-adapter-malformed")`."""
    from engines.api import IpAdapterUse

    return _use(text, IpAdapterUse.model_fields, "ip-adapter-malformed")


def _use(text: str, fields: Mapping[str, Any], code: str) -> dict[str, Any]:
    """Values with commas between them; one without a name is the file's."""
    from engines.api import UserError

    values: dict[str, Any] = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        name = name.strip() if sign else "file"
        value = value if sign else part
        if name not in fields or name in values or not value.strip():
            raise UserError(code, text=text)
        values[name] = value.strip()
    if "file" not in values:
        raise UserError(code, text=text)
    if "image" in values:
        values["image"] = absolute(Path(values["image"]))
    return values


def check_out(out: Path | None) -> Path | None:
    """The place as an absolute path. Raises `UserError("out-not-png")` for a file of a kind that is not written."""
    if out is None:
        return None
    if out.suffix and out.suffix.lower() not in {**IMAGE_SUFFIXES, **VIDEO_SUFFIXES} and not out.is_dir():
        from engines.api import UserError

        raise UserError("out-not-png", out=str(out), suffix=out.suffix)
    return out.absolute()


def absolute(path: Path | None) -> str | None:
    """The path as a request holds it."""
    return str(path.absolute()) if path is not None else None
