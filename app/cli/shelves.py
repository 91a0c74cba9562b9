"""`easel models scan`, `add`, `remove`, `parts` and `verify`: the shelves, every file on them, and whether a file is whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import show
from app.cli.models import group, model_store
from app.cli.show import Json

if TYPE_CHECKING:
    from app.library.parts import PartChoice
    from app.models import ModelFile, ModelStore
    from app.settings import SettingsStore

PRECISIONS = ("full", "fp8")
Kinds = Annotated[str, typer.Option("--kind", help="Only files of this kind: checkpoint, lora, vae, …")]


@group.command("scan")
def scan_models(kind: Kinds = "", as_json: Json = False) -> None:
    """Look through all model folders again and show every file: what it is, for which family, what it lacks."""
    _check_kind(kind)
    store = model_store()
    progress = sys.stderr.isatty() and not as_json
    store.rescan(
        lambda count: typer.echo(f"\r{count} files", nl=False, err=True) if progress and not count % 50 else None
    )
    files = [each for each in store.files() if kind in ("", each.kind)]
    if as_json:
        roots = [{"path": str(root.path), "program": root.program} for root in store.roots]
        show.data({"roots": roots, "files": [file_fields(each, store) for each in files]})
        return
    from app.places import readable

    rows = [(each.kind, family_words(each), _remarks(each), readable(each.size), each.path) for each in files]
    show.table(("kind", "family", "remarks", "size", "file"), rows)
    for root in store.roots:
        count = sum(each.root == root for each in store.files())
        show.note(f"{root.path}: {root.program or 'models'}, {count} files")


def _check_kind(kind: str) -> None:
    from engines.api import Kind, UserError

    if kind and kind not in set(Kind):
        raise UserError("model-kind-unknown", kind=kind, kinds=[str(each) for each in Kind])


@group.command("add")
def add_folder(
    folder: Annotated[
        Path, typer.Argument(help="A folder with models, or one of another program's.", exists=True, file_okay=False)
    ],
    as_json: Json = False,
) -> None:
    """Use the models in a folder where they are: A1111, Forge, ComfyUI, Fooocus, InvokeAI, Stability Matrix, or any."""
    from app.library import recognise
    from app.library.shelf import scan_roots

    settings = _settings()
    path = folder.expanduser().absolute()
    if path not in settings.current.model_folders:
        settings.change(model_folders=[*settings.current.model_folders, path])
    store = model_store()
    root = recognise(path)
    found = scan_roots((root,), store.memory)
    counts = _counts(found)
    if as_json:
        show.data(
            {
                "path": str(path),
                "program": root.program,
                "folders": [str(each) for each in root.folders],
                "files": counts,
            }
        )
        return
    typer.echo(f"{path}: {root.program or 'a folder with models'}, used where it is")
    show.pairs(counts.items())


@group.command("remove")
def remove_folder(folder: Annotated[Path, typer.Argument(help="A folder that was added.")]) -> None:
    """Forget a folder that was added. Nothing in it is touched."""
    from engines.api import UserError

    settings = _settings()
    path = folder.expanduser().absolute()
    left = [each for each in settings.current.model_folders if each != path]
    if len(left) == len(settings.current.model_folders):
        raise UserError("model-folder-unknown", folder=str(path), known=[str(each) for each in left] or "none")
    settings.change(model_folders=left)
    show.note(f"{path}: not used any more. Nothing in it was changed.")


@group.command("found")
def found_programs(as_json: Json = False) -> None:
    """Show the model folders of other programs in the usual places of this computer."""
    from app.library import find_programs

    roots = find_programs()
    if as_json:
        show.data({"roots": [{"path": str(root.path), "program": root.program} for root in roots]})
        return
    if roots:
        show.table(("program", "folder"), [(root.program, root.path) for root in roots])
    else:
        show.note("No other program's models were found in the usual places.")
    show.note("`easel models add FOLDER` uses a folder where it is.")


@group.command("parts")
def model_parts(
    model: Annotated[str, typer.Argument(help="A model's id or title, or a model file.")],
    use: Annotated[
        list[str] | None,
        typer.Option("--use", help="PART=FILE: take the part from this file; PART=auto lets Easel choose again."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which files fill the parts that a model in one file lacks, and choose others."""
    settings, store = _settings(), model_store()
    path = Path(model).absolute() if Path(model).exists() else store.get(model).path
    for wish in use or ():
        _use_part(settings, store, path, wish)
    store = model_store()
    choices = store.parts(path)
    if as_json:
        show.data({"path": str(path), "parts": [_part_fields(each) for each in choices]})
        return
    if not choices:
        show.note("This model has all its parts.")
    rows = [(each.part, "yes" if each.needed else "no", _filled(each), _others(each)) for each in choices]
    if rows:
        show.table(("part", "needed", "from", "could also be"), rows)


def _filled(choice: PartChoice) -> str:
    """Where the part is from, and whether that was the person's choice."""
    if choice.place is None:
        return "nobody here has it" if choice.needed else "left out"
    return f"{choice.place} ({'your choice' if choice.chosen else 'automatic'})"


def _others(choice: PartChoice) -> str:
    return ", ".join(str(offer) for offer in choice.offers if offer != choice.place) or "-"


@group.command("precision")
def model_precision(
    model: Annotated[str, typer.Argument(help="A model's id or title.")],
    wish: Annotated[str, typer.Argument(help="fp8, or full; without it, the one that holds now.")] = "",
    as_json: Json = False,
) -> None:
    """Hold a model's largest part in 8 bits (fp8): less memory, pictures a little different. `full` takes it back."""
    from engines.api import UserError

    settings, record = _settings(), model_store().get(model)
    if wish not in ("", *PRECISIONS):
        raise UserError("model-precision-unknown", wish=wish)
    if wish and record.loader == "gguf":
        raise UserError("model-precision-packed", model=record.title)
    if wish:
        others = [each for each in settings.current.eight_bits if each != str(record.path)]
        settings.change(eight_bits=[*others, str(record.path)] if wish == "fp8" else others)
        record = model_store().get(model)
    holds = "fp8" if record.eight_bits else "full"
    show.data({"model": record.id, "precision": holds}) if as_json else typer.echo(holds)


def _use_part(settings: SettingsStore, store: ModelStore, path: Path, wish: str) -> None:
    from app.library.parts import AUTOMATIC, choose_part

    part, _, place = wish.partition("=")
    before = settings.current.model_parts.get(str(path), {})
    place = AUTOMATIC if place == "auto" else place
    after = choose_part(store.parts(path), path.name, before, part, place)
    settings.change(model_parts={**settings.current.model_parts, str(path): after})


def _part_fields(choice: PartChoice) -> dict[str, Any]:
    return {
        "part": choice.part,
        "needed": choice.needed,
        "place": str(choice.place) if choice.place else None,
        "chosen": choice.chosen,
        "offers": [str(each) for each in choice.offers],
    }


@group.command("verify")
def verify_model(
    model: Annotated[str, typer.Argument(help="A model's id or title, or a file.")], as_json: Json = False
) -> None:
    """Read a model's files whole, compute their checksums, and compare them with those that lie beside them."""
    from app.library.verify import verify

    store = model_store()
    path = Path(model).absolute()
    target = path if path.exists() else store.get(model).path
    results = [verify(file, store.hashes) for file in _weight_files(target)]
    if as_json:
        show.data({"files": [each.as_json() for each in results]})
    else:
        show.table(("verdict", "sha256", "file"), [(each.verdict, each.hashes.sha256, each.path) for each in results])
    if any(each.verdict == "damaged" for each in results):
        raise typer.Exit(2)


@group.command("convert")
def convert_model(
    file: Annotated[Path, typer.Argument(help="A .ckpt, .pt, .pth or .bin file.", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; otherwise beside the old one.")] = None,
    as_json: Json = False,
) -> None:
    """Write the weights of a pickle as .safetensors. It is opened apart, with limits; nothing of it is run."""
    from engines.api import convert_pickle

    source = file.absolute()
    target = (out or source.with_suffix(".safetensors")).absolute()
    made = convert_pickle(source, target)
    if as_json:
        show.data({"file": str(made.path), "tensors": made.tensors, "left_out": list(made.left_out)})
        return
    typer.echo(str(made.path))
    for name in made.left_out:
        show.note(f"{name} was left out: it is no weight.")
    show.note(f"{made.tensors} tensors. The old file is as it was; nothing needs it any more.")


def _weight_files(target: Path) -> list[Path]:
    if target.is_file():
        return [target]
    return sorted(path for path in target.rglob("*.safetensors") if path.is_file())


def file_fields(file: ModelFile, store: ModelStore) -> dict[str, Any]:
    """A file as JSON shows it."""
    found = file.identified.as_json()
    problem = found.pop("problem")
    parts = (
        {part: [str(place) for place in store.fillers(file, part)] for part in file.identified.missing}
        if file.family
        else {}
    )
    hashes = store.known_hashes(file.path)
    return {
        **found,
        "name": file.name,
        "root": str(file.root.path),
        "program": file.root.program,
        "fillers": parts,
        "sha256": hashes.sha256,
        "model_hash": hashes.model_hash,
        "lora_hash": hashes.lora_hash,
        "problem": {key: problem[key] for key in ("code", "title", "cause", "fixes")} if problem else None,
    }


def family_words(file: ModelFile) -> str:
    """The family, or all that the file fits."""
    return file.family or ", ".join(dict.fromkeys(family for family, _part in file.identified.fits)) or "-"


def _remarks(file: ModelFile) -> str:
    found = [*file.identified.variants, file.identified.quantisation]
    found += [f"without {', '.join(file.identified.missing)}"] if file.identified.missing else []
    found += [file.problem.title] if file.problem else []
    return ", ".join(each for each in found if each) or "-"


def _counts(files: tuple[ModelFile, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for file in files:
        counts[str(file.kind)] = counts.get(str(file.kind), 0) + 1
    return counts


def _settings() -> SettingsStore:
    from app.paths import Paths
    from app.settings import SettingsStore

    return SettingsStore(Paths.default().settings_file)
