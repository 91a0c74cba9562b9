"""What has to be installed, and installing it: with uv where it can be had, with pip always. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from environment_backend import TORCH, TORCH_INDEX, TORCH_LABEL

INDEX_TIMEOUT = 5  # seconds; an index that does not answer is left out and said so
INSTALLER = "EASEL_INSTALLER"  # "pip" leaves uv out
UV_FLAGS = {"find-links": "--find-links", "extra-index-url": "--extra-index-url", "index-url": "--index-url"}

YES = ("1", "true", "yes", "on")

Say = Callable[[str], None]


def wanted_packages(root: Path, backend: str, test: bool) -> list[str]:
    """The dependency lists of pyproject.toml for this backend."""
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras[backend], *(extras["test"] if test else [])]


def install(python: Path, requirements: list[str], backend: str, say: Say) -> str:
    """Install into the environment of `python` and return the name of what did it. Raises `CalledProcessError`."""
    settings = pip_settings(python)
    source = torch_source(backend, settings, say)
    if uv := find_uv(python, say):
        command = [*uv, "pip", "install", "--python", str(python), *uv_flags(settings), *source, *requirements]
        if subprocess.run(command, env=uv_environment(settings), check=False).returncode == 0:
            return "uv"
        say("uv did not manage it; going on with pip")
    # Compiling every module to byte code takes as long as the installation; Python does it for what is imported.
    pip = [str(python), "-m", "pip", "install", "--no-compile", "--disable-pip-version-check", *source]
    subprocess.run([*pip, *requirements], check=True, stdout=sys.stderr)
    return "pip"


def torch_source(backend: str, settings: dict[str, list[str]], say: Say) -> list[str]:
    """The arguments that name the index with this backend's torch, none where a configured folder has the build."""
    if has_torch(settings.get("find-links", ()), backend):
        say(f"torch {TORCH} for {backend} comes from a folder that pip is configured with")
        return []
    url = TORCH_INDEX[backend]
    try:
        urllib.request.urlopen(f"{url}/torch/", timeout=INDEX_TIMEOUT).close()
    except OSError as error:
        say(f"PyTorch's index for {backend} does not answer ({error}); the usual one is used, its build may be larger")
        return []
    return ["--extra-index-url", url]


def has_torch(folders: Iterable[str], backend: str) -> bool:
    """Whether a folder holds our torch for this Python and this backend, or one without a label."""
    tag = f"-cp{sys.version_info.major}{sys.version_info.minor}-"
    names = [path.name for folder in folders for path in Path(folder).glob(f"torch-{TORCH}*.whl")]
    starts = (f"torch-{TORCH}-", f"torch-{TORCH}+{TORCH_LABEL[backend]}")
    return any(tag in name and name.startswith(starts) for name in names)


def find_uv(python: Path, say: Say) -> list[str]:
    """uv as a command, from the path or installed into the environment; empty when it cannot be had."""
    if os.environ.get(INSTALLER) == "pip":
        return []
    if found := shutil.which("uv"):
        return [found]
    inside = python.with_name(f"uv{python.suffix}")
    if not inside.exists():
        say("getting uv, a quicker installer …")
        command = [str(python), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check", "uv"]
        subprocess.run(command, check=False, stdout=sys.stderr)
    return [str(inside)] if inside.exists() else []


def uv_flags(settings: dict[str, list[str]]) -> list[str]:
    """What pip is configured with, in uv's words: uv does not read pip's settings."""
    # pip takes the best version of all indexes, and so must uv, or a build for a backend would hide newer packages.
    flags = ["--index-strategy", "unsafe-best-match", "--no-sources"]
    for key, flag in UV_FLAGS.items():
        flags += [part for value in settings.get(key, ()) for part in (flag, value)]
    return [*flags, "--no-index"] if settings.get("no-index", ["0"])[0].lower() in YES else flags


def uv_environment(settings: dict[str, list[str]]) -> dict[str, str]:
    """The environment for uv, with pip's certificates where nothing else names some."""
    certificates = {"SSL_CERT_FILE": settings["cert"][0]} if settings.get("cert") else {}
    return {**certificates, **os.environ}


def pip_settings(python: Path) -> dict[str, list[str]]:
    """What pip's files and variables say, each setting split into its values; a variable hides a file's setting."""
    command = [str(python), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return parse_pip_settings(listed)


def parse_pip_settings(listed: str) -> dict[str, list[str]]:
    """The words of `pip config list`. As pip does it, `install.` comes before `global.`, and `:env:` before both."""
    order = ("global.", "install.", ":env:.")
    found: dict[str, tuple[int, list[str]]] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        place = next((order.index(start) for start in order if name.startswith(start)), None)
        key = name.removeprefix(order[place]) if place is not None else ""
        if place is None or place < found.get(key, (0, []))[0]:
            continue
        found[key] = (place, value.strip("'\"").replace("\\n", " ").split())
    return {key: values for key, (_, values) in found.items()}
