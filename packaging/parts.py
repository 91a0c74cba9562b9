"""What a bundle consists of: `parts.py BUNDLE FOLDER` writes a CycloneDX list of parts, and all licences as one text.

Runs in the environment that the bundle was made from. The licences go into the bundle, the list beside it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "packaging"))

LICENCE_FILE = re.compile(r"(^|/)(licen[cs]es?|copying|notice|authors)([^/]*|/[^/]+)$", re.IGNORECASE)
TEXT = re.compile(r"\.(py|pyc|json|so)$")
TOOLS = {"pip", "pyinstaller", "pyinstaller-hooks-contrib", "altgraph", "uv", "setuptools", "wheel"}


def main(bundle: Path, out: Path) -> int:
    """Write both; returns the exit status."""
    found = parts()
    system = list(system_libraries(bundle))
    components = [component(each) for each in found] + [python_component()] + [library(*each) for each in system]
    (out / "sbom.cdx.json").write_text(json.dumps(bill(components), indent=1) + "\n", encoding="utf-8")
    (bundle / "LICENSES.txt").write_text("\n".join(licences(found, system)), encoding="utf-8")
    unknown = [each.metadata["Name"] for each in found if not licence_of(each)]
    print(f"{len(components)} parts; without a licence in their metadata: {', '.join(unknown) or 'none'}")
    return 0


def parts() -> list[Distribution]:
    """The Python packages, by name."""
    named = {each.metadata["Name"].lower(): each for each in distributions() if each.metadata["Name"]}
    return [named[name] for name in sorted(named) if name not in TOOLS]


def component(each: Distribution) -> dict[str, Any]:
    """One package as CycloneDX describes it."""
    name, version = each.metadata["Name"], each.version
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
        "licenses": [_licence(licence_of(each) or "unknown")],
    }


def _licence(text: str) -> dict[str, Any]:
    """An SPDX expression where it is one; classifiers and old free texts are names."""
    is_expression = bool(re.fullmatch(r"[\w.+() -]+", text)) and not re.search(r"\b(License|Software|the)\b", text)
    return {"expression": text} if is_expression and " " not in text else {"license": {"name": text}}


def licence_of(each: Distribution) -> str:
    """The licence as the package states it: expression, field or classifier, in this order."""
    meta = each.metadata
    if expression := meta.get("License-Expression"):
        return expression
    classifiers = [text.rpartition(" :: ")[2] for text in meta.get_all("Classifier") or () if "License ::" in text]
    field = (meta.get("License") or "").strip()
    return (
        field
        if field and len(field) < 60 and "\n" not in field
        else ", ".join(classifiers) or field.split("\n")[0][:60]
    )


def python_component() -> dict[str, Any]:
    """The interpreter itself."""
    version = sys.version.split()[0]
    return {"type": "platform", "name": "python", "version": version, "licenses": [{"expression": "PSF-2.0"}]}


def library(name: str, package: str, version: str) -> dict[str, Any]:
    """A library that travels along from the system of the build."""
    purl = {"purl": f"pkg:deb/debian/{package}@{version}"} if package else {}
    return {"type": "library", "name": package or name, "version": version, "description": name, **purl}


def system_libraries(bundle: Path) -> Iterator[tuple[str, str, str]]:
    """(file, package, version) of the shared libraries at the top of the bundle, as far as dpkg knows them."""
    for path in sorted((bundle / "_internal").glob("*.so*")):
        if path.is_symlink():
            continue
        package = _owner(path.name)
        yield path.name, package, _version(package) if package else ""


def _owner(name: str) -> str:
    if not shutil.which("dpkg-query"):
        return ""
    done = subprocess.run(["dpkg-query", "-S", f"*/{name}*"], capture_output=True, text=True, check=False)
    return done.stdout.split(":", 1)[0].split(",")[0] if done.returncode == 0 else ""


def _version(package: str) -> str:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}\n", package], capture_output=True, text=True, check=False
    )
    return done.stdout.split("\n")[0]


def bill(components: list[dict[str, Any]]) -> dict[str, Any]:
    """The CycloneDX document."""
    from engines_version import version

    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).replace(microsecond=0).isoformat(),
            "component": {"type": "application", "name": "easel", "version": version()},
        },
        "components": components,
    }


def licences(found: list[Distribution], system: list[tuple[str, str, str]]) -> Iterator[str]:
    """The text: what each part is under, and the words of its licence."""
    yield "Easel is under the Apache License 2.0 (see LICENSE). It brings these parts along, each under its own licence.\n"
    for each in found:
        yield f"{'=' * 100}\n{each.metadata['Name']} {each.version}: {licence_of(each) or 'see below'}\n"
        yield from _texts(each)
    yield f"{'=' * 100}\nPython {sys.version.split()[0]}: PSF-2.0\n"
    yield from _python_texts()
    for name, package, version in system:
        yield f"{'=' * 100}\n{name}{f', from the package {package} {version}' if package else ''}\n"
        path = Path("/usr/share/doc") / package / "copyright"
        yield path.read_text(encoding="utf-8", errors="replace") if package and path.is_file() else ""


def _texts(each: Distribution) -> Iterator[str]:
    for file in each.files or ():
        if LICENCE_FILE.search(str(file)) and not TEXT.search(file.name):
            path = Path(str(file.locate()))
            if path.is_file():
                yield path.read_text(encoding="utf-8", errors="replace")


def _python_texts() -> Iterator[str]:
    for folder in (Path(sysconfig.get_path("stdlib")), Path(sys.base_prefix)):
        for name in ("LICENSE.txt", "LICENSE"):
            if (folder / name).is_file():
                yield (folder / name).read_text(encoding="utf-8", errors="replace")
                return


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
