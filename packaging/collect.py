"""Which modules belong into a bundle: derived from the code, so that a new model family follows by itself.

diffusers and transformers import lazily, by name, and PyInstaller cannot see that. What Easel uses of them is found in
three places: the registry of families, every name in our own sources that is a class of one of the two libraries, and what
those modules import in turn, of the other library too. The other pipelines and models are left out: 75 MB, and minutes of
analysis.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Packages with hundreds of parts, of which a model needs a few. The rest of each library is taken whole.
LARGE = {"diffusers": "diffusers.pipelines", "transformers": "transformers.models"}
# Parts that the libraries reach for by themselves, whatever the model.
ALWAYS = {"transformers.models.auto"}
# They import every pipeline or serve other programs; nothing of ours asks for them.
NEVER = (
    "diffusers.pipelines.auto_pipeline",
    "diffusers.pipelines.deprecated",
    "diffusers.commands",
    "diffusers.modular_pipelines",
    "diffusers.experimental",
    "transformers.cli",
    "transformers.commands",
)

# Only what lies below it is left out: guiders, and with them some pipelines, import one of its own files.
HALF = ("diffusers.modular_pipelines",)


def never() -> list[str]:
    """Modules that the bundle must not have, whatever imports them."""
    return [each for name in NEVER for each in (never_below(name) if name in HALF else [name])]


def package_folder(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    top, *rest = name.split(".")
    spec = find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{top} is not installed in the environment that builds the bundle")
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)


def modules_below(package: str, skip: Iterable[str] = ()) -> Iterator[str]:
    """The names of all modules of a package, read from its folder: importing them all would take ten minutes."""
    folder = package_folder(package)
    left_out = tuple(_folders(skip))
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))
        if all(part.isidentifier() for part in parts) and not _below(name, left_out):
            yield name


def _folders(packages: Iterable[str]) -> Iterator[str]:
    """The packages, but for one whose own files are needed: of that, what lies below it."""
    for name in packages:
        yield from never_below(name) if name in HALF else (name,)


def never_below(package: str) -> list[str]:
    """The packages inside a package."""
    return [f"{package}.{path.parent.name}" for path in sorted(package_folder(package).glob("*/__init__.py"))]


@cache
def used_parts(library: str) -> set[str]:
    """The parts of `LARGE[library]` that Easel needs, with everything that these import: {"diffusers.pipelines.marigold"}."""
    large = LARGE[library]
    parts = {part for part in (_part(large, module) for module in class_modules(library)) if part}
    parts |= {name for name in ALWAYS if name.startswith(large)}
    # What the library itself imports from there, whichever model is used.
    outside = list(modules_below(library, (large, *NEVER)))
    todo = [*outside, *parts]
    while todo:
        for name in _imports_of(todo.pop(), library):
            part = _part(large, name)
            if part and part not in parts and not _below(part, NEVER):
                parts.add(part)
                todo.append(part)
    return parts


def class_modules(library: str) -> set[str]:
    """The modules with the classes of this library that Easel names anywhere."""
    module = importlib.import_module(library)
    names = _names_in_use()
    if library == "transformers":
        names |= set(_names_for(hidden_imports("diffusers"), library))
        # Whatever loads a LoRA imports all of it, and with it a class of a language model that nothing here uses.
        names |= set(_names_for(modules_below("peft"), library))
    return {found for name in names if (found := _module_of(module, name))}


def _names_for(modules: Iterable[str], library: str) -> Iterator[str]:
    """What these modules import of another library by name."""
    for module in modules:
        top, *rest = module.split(".")
        tree = ast.parse(_file_of(package_folder(top).joinpath(*rest)).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library:
                yield from (alias.name for alias in node.names)


def _names_in_use() -> set[str]:
    """Names in the registry's descriptions, and names and texts in the sources of `engines`."""
    from engines.registry import REGISTRY

    names: set[str] = set()
    for family in REGISTRY.all():
        names |= {*family.pipelines.values(), *family.detection.pipeline_classes, family.tiny.pipeline_class}
        names |= {part.class_name for part in family.tiny.parts.values()}
    for path in (ROOT / "engines").rglob("*.py"):
        names |= set(_words(ast.parse(path.read_text(encoding="utf-8"))))
    return names


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if text.isidentifier():
                yield text
            case ast.ImportFrom(names=names):
                yield from (alias.name for alias in names)
            case ast.Attribute(attr=name) | ast.Name(id=name):
                yield name


def _module_of(module: Any, name: str) -> str:
    """Follow a lazy module's own list down to the module that defines `name`; empty when there is no such class."""
    below = getattr(module, "_class_to_module", {}).get(name)
    if below is None:
        return ""
    full = f"{module.__name__}.{below}"
    deeper = _module_of(importlib.import_module(full), name) if _is_package(full) else ""
    return deeper or full


def _is_package(name: str) -> bool:
    library = name.split(".")[0]
    return package_folder(library).joinpath(*name.split(".")[1:]).is_dir()


def _part(large: str, module: str) -> str:
    """`diffusers.pipelines.marigold` for anything in it; a plain file of the large package is a part of its own."""
    if not module.startswith(f"{large}."):
        return ""
    name = module.removeprefix(f"{large}.").split(".")[0]
    if _exists(f"{large}.{name}"):
        return f"{large}.{name}"
    # A class that is imported from the large package itself: its list says where it lives.
    home = getattr(importlib.import_module(large), "_class_to_module", {}).get(name, "").split(".")[0]
    return f"{large}.{home}" if home and _exists(f"{large}.{home}") else ""


def _exists(module: str) -> bool:
    library, *rest = module.split(".")
    path = package_folder(library).joinpath(*rest)
    return path.is_dir() or path.with_suffix(".py").is_file()


def _imports_of(part: str, library: str) -> Iterator[str]:
    """Modules of the library that the part's files import, inside functions too, but not for type checkers alone."""
    folder = package_folder(library).joinpath(*part.split(".")[1:])
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() and part.startswith(LARGE[library]) else [_file_of(folder)]
    for path in paths:
        package = [library, *path.relative_to(package_folder(library)).parent.parts]
        yield from _imported(ast.parse(path.read_text(encoding="utf-8")), package)


def _file_of(folder: Path) -> Path:
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            return
        case ast.If(test=ast.BoolOp(values=[ast.Name(id="TYPE_CHECKING"), *_])):
            # "if TYPE_CHECKING or SLOW_IMPORT:", the way in which the libraries list everything that they have
            return
        case ast.ImportFrom(module=module, names=names, level=level):
            base = package[: len(package) - level + 1] if level else []
            full = ".".join([*base, *(module or "").split(".")]).rstrip(".")
            yield from (f"{full}.{alias.name}" for alias in names)
            yield full
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child, package)


def _below(name: str, packages: Iterable[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def hidden_imports(library: str) -> list[str]:
    """What the bundle needs of diffusers or transformers: the library but for the large package, and the used parts."""
    large, parts = LARGE[library], used_parts(library)
    needed = [*modules_below(library, (large, *NEVER)), large]
    for part in sorted(parts):
        needed += list(modules_below(part)) if _is_package(part) else [part]
    return needed


def left_out(library: str) -> list[str]:
    """The parts that the bundle goes without. Named, because the lists for type checkers would bring them in."""
    large, parts = LARGE[library], used_parts(library)
    folder = package_folder(library).joinpath(*large.split(".")[1:])
    there = {f"{large}.{path.stem}" for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    return sorted(there - parts - {f"{large}.__init__", f"{large}.__pycache__"} - _plain_files(large, folder))


def _plain_files(large: str, folder: Path) -> set[str]:
    """Small helpers beside the packages, pipeline_utils for instance: they stay, but for those that `NEVER` names."""
    return {f"{large}.{path.stem}" for path in folder.glob("*.py")} - set(NEVER)
