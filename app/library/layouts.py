"""Folders of other programs: which program a folder belongs to, and where it keeps its models.

Sources: the programs' own folder settings (A1111 and Forge `modules/paths_internal.py`, ComfyUI `folder_paths.py` and
`extra_model_paths.yaml.example`, Stability Matrix `SharedFolderType`, Fooocus `modules/config.py`, InvokeAI `invokeai.yaml`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.library.yaml_paths import comfy_paths, read_yaml

CONFIG_LIMIT = 1 << 20  # bytes of another program's settings file


@dataclass(frozen=True)
class Root:
    """A place with models: the folder that the person named, the program it is of, and the folders to look through.

    `program` is "" for a plain folder. `writable` is true for Easel's own folder alone: all others are only read.
    """

    path: Path
    program: str
    folders: tuple[Path, ...]
    writable: bool = False


def recognise(path: Path) -> Root:
    """What the folder is: a program's folder, with the places where it keeps models, or just a folder with models."""
    path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - links stay links: the person knows the folder by this name
    for detect in (_comfy, _a1111, _fooocus, _invoke, _stability_matrix, _swarm, _hub_cache):
        if (root := detect(path)) is not None:
            return root
    return Root(path, "", (path,))


def find_programs(home: Path | None = None, environ: Mapping[str, str] = os.environ) -> tuple[Root, ...]:
    """Programs with models in the usual places of this computer, for "I already have models". Looks, reads no model."""
    found: dict[Path, Root] = {}
    for place in _usual_places(home or Path.home(), environ):
        try:
            root = recognise(place) if place.is_dir() else None
        except OSError:
            continue
        if root is not None and root.program:
            found.setdefault(root.path.resolve(), root)
    return tuple(found.values())


NAMES = (
    *(
        "stable-diffusion-webui",
        "stable-diffusion-webui-forge",
        "sd-webui-forge-neo",
        "webui_forge",
        "automatic",
        "sd.next",
    ),
    *("ComfyUI", "ComfyUI_windows_portable/ComfyUI", "comfyui", "Fooocus", "Fooocus_win64_2-5-0/Fooocus"),
    *("invokeai", "InvokeAI", "StabilityMatrix", "StabilityMatrix/Data", "SwarmUI"),
)


def _usual_places(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    above = [
        home,
        home / "Documents",
        home / "Downloads",
        home / "AI",
        home / "ai",
        home / "git",
        home / "src",
        home / "apps",
    ]
    if appdata := environ.get("APPDATA"):
        above.append(Path(appdata))
    above += [Path(f"{letter}:\\") for letter in "CDEF"] if os.name == "nt" else [Path("/opt")]
    for folder in above:
        for name in NAMES:
            yield folder / name
    hub = environ.get("HF_HUB_CACHE") or (f"{environ['HF_HOME']}/hub" if environ.get("HF_HOME") else "")
    yield Path(hub) if hub else home / ".cache" / "huggingface" / "hub"


def _existing(*folders: Path) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def _below(path: Path, name: str) -> Path | None:
    """The folder `name` in `path`, in whatever case it is written there."""
    try:
        return next(
            (each for each in path.iterdir() if each.name.casefold() == name.casefold() and each.is_dir()), None
        )
    except OSError:
        return None


def _a1111(path: Path) -> Root | None:
    models = path / "models" if (path / "models").is_dir() else path
    if _below(models, "Stable-diffusion") is None or (models == path and path.name != "models"):
        return None
    home = models.parent
    control = home / "extensions" / "sd-webui-controlnet" / "models"
    program = "Forge" if (home / "modules_forge").is_dir() or (home / "backend").is_dir() else "A1111"
    return Root(path, program, _existing(models, home / "embeddings", control))


def _comfy(path: Path) -> Root | None:
    models = path / "models" if (path / "models").is_dir() else path
    named = (path / "comfy").is_dir() or (path / "extra_model_paths.yaml").is_file() or (path / "custom_nodes").is_dir()
    kept = _below(models, "checkpoints") is not None and (
        _below(models, "diffusion_models")
        or _below(models, "unet")
        or _below(models, "text_encoders")
        or _below(models, "clip")
    )
    if not named and not kept:
        return None
    if (path / "config.txt").is_file() and _fooocus(path):
        return None
    extra = [*comfy_paths(path / "extra_model_paths.yaml"), *comfy_paths(path / "extra_models_config.yaml")]
    return Root(path, "ComfyUI", _existing(models, *extra))


def _fooocus(path: Path) -> Root | None:
    config = path / "config.txt"
    if not config.is_file() and not (path / "fooocus_version.py").is_file():
        return None
    values = _json_file(config)
    named = [
        folder
        for key, value in values.items()
        if key.startswith("path_") and "output" not in key
        for folder in _paths(value)
    ]
    folders = [folder if folder.is_absolute() else path / folder for folder in named]
    return (
        Root(path, "Fooocus", _existing(path / "models", *folders)) if folders or (path / "models").is_dir() else None
    )


def _paths(value: Any) -> list[Path]:
    values = value if isinstance(value, list) else [value]
    return [Path(each).expanduser() for each in values if isinstance(each, str) and each]


def _invoke(path: Path) -> Root | None:
    config = path / "invokeai.yaml"
    if not config.is_file() and not (path / "databases" / "invokeai.db").is_file():
        return None
    values = read_yaml(config)
    inner = values.get("InvokeAI")
    settings: dict[str, Any] = values if not isinstance(inner, dict) else {**values, **inner}
    named = settings.get("models_dir")
    folder = path / named if isinstance(named, str) and named else path / "models"
    return Root(path, "InvokeAI", _existing(folder))


def _stability_matrix(path: Path) -> Root | None:
    models = path if path.name == "Models" and (path.parent / "settings.json").is_file() else path / "Models"
    marked = (models.parent / "settings.json").is_file() and models.is_dir()
    if not marked or _below(models, "StableDiffusion") is None:
        return None
    override = _json_file(models.parent / "settings.json").get("ModelDirectoryOverride")
    return Root(path, "Stability Matrix", _existing(models, *_paths(override)))


def _swarm(path: Path) -> Root | None:
    models = path / "Models"
    if not models.is_dir() or _below(models, "Stable-Diffusion") is None:
        return None
    return Root(path, "SwarmUI", (models,))


def _hub_cache(path: Path) -> Root | None:
    try:
        shelves = sorted(each / "snapshots" for each in path.glob("models--*--*") if (each / "snapshots").is_dir())
    except OSError:
        return None
    return Root(path, "Hugging Face", tuple(shelves)) if shelves else None


def _json_file(path: Path) -> dict[str, Any]:
    if not path.is_file():  # a pipe would be waited for
        return {}
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(CONFIG_LIMIT).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
