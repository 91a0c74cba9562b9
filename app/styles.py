"""Styles: words to put around a prompt, with `{prompt}` where it goes; A1111's `styles.csv` is read as it is."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from app.files import write_atomic
from app.paths import BUNDLED_STYLES
from engines.api import UserError

LARGEST = 4_000_000  # bytes
PLACE = "{prompt}"
SCHEMA = "schema_version"  # a key of the file and not a style; files that people wrote themselves have none
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Style:
    """What it adds to the prompt and to the negative prompt."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


class StyleStore:
    """Files in two folders, Easel's own and the person's: `*.yaml` with a style a key, and `*.csv` as A1111 writes them."""

    def __init__(self, folder: Path, bundled: Path | None = BUNDLED_STYLES) -> None:
        self.folder, self.bundled = folder, bundled

    def all(self) -> tuple[Style, ...]:
        """Every style by name; the person's own, and of those one in a later file, stand in for others of the same name.

        Raises `UserError` for a file that cannot be read.
        """
        return _by_name([*self.own_to_easel(), *_in_folder(self.folder)])

    def usable(self) -> tuple[Style, ...]:
        """The same, but that a file of the person's that cannot be read leaves Easel's own styles."""
        try:
            return self.all()
        except UserError:
            return self.own_to_easel()

    def own_to_easel(self) -> tuple[Style, ...]:
        """The styles that come with Easel."""
        return () if self.bundled is None else _by_name(_in_folder(self.bundled))

    def get(self, name: str) -> Style:
        """The style with this name. Raises `UserError` with the nearest ones."""
        styles = {style.name.casefold(): style for style in self.all()}
        if name.casefold() not in styles:
            nearest = difflib.get_close_matches(name.casefold(), styles, 3, 0.4) or list(styles)[:12]
            raise UserError(
                "style-unknown", name=name, folder=str(self.folder), nearest=[styles[each].name for each in nearest]
            )
        return styles[name.casefold()]

    def take_in(self, path: Path) -> tuple[Style, ...]:
        """Copy the styles of a file into the folder, as YAML. Raises `UserError`.

        Programs call their files alike: those of an earlier file with this name stay, unless a new one has the same name.
        """
        styles = read_styles(path)
        target = self.folder / f"{path.stem}.yaml"
        all_of_them = _by_name([*(read_styles(target) if target.is_file() else ()), *styles])
        words = {each.name: {"prompt": each.prompt, "negative_prompt": each.negative_prompt} for each in all_of_them}
        data = {SCHEMA: SCHEMA_VERSION, **words}
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(target, text.encode())
        return styles

    def apply(self, names: list[str], prompt: str, negative_prompt: str) -> tuple[str, str]:
        """Prompt and negative prompt with the styles around them, in their order. Raises `UserError`."""
        return apply_styles([self.get(name) for name in names], prompt, negative_prompt)


def _in_folder(folder: Path) -> list[Style]:
    paths = (path for path in sorted(folder.glob("*")) if path.suffix in (".csv", ".yaml") and path.is_file())
    return [style for path in paths for style in read_styles(path)]


def _by_name(styles: Iterable[Style]) -> tuple[Style, ...]:
    found = {style.name.casefold(): style for style in styles}
    return tuple(found[name] for name in sorted(found))


def apply_styles(styles: Iterable[Style], prompt: str, negative_prompt: str) -> tuple[str, str]:
    """Prompt and negative prompt with the styles around them, in their order."""
    for style in styles:
        prompt, negative_prompt = _around(prompt, style.prompt), _around(negative_prompt, style.negative_prompt)
    return prompt, negative_prompt


def read_styles(path: Path) -> tuple[Style, ...]:
    """The styles of a CSV or YAML file. Raises `UserError("styles-broken")`."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST // 1_000_000} MB")
        text = path.read_text(encoding="utf-8-sig")
        return _from_csv(text) if path.suffix == ".csv" else _from_yaml(text)
    except (OSError, ValueError, csv.Error, yaml.YAMLError, RecursionError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError("styles-broken", path=str(path), why=why) from error


def _from_csv(text: str) -> tuple[Style, ...]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if "name" not in (rows.fieldnames or ()):
        raise ValueError("its first line does not name the columns name, prompt, negative_prompt")
    named = [(row, (row.get("name") or "").strip()) for row in rows]
    # "text" is what files from before negative prompts call the prompt; a line of dashes is a heading in A1111's list.
    return tuple(
        Style(name, row.get("prompt") or row.get("text") or "", row.get("negative_prompt") or "")
        for row, name in named
        if name and not (name.startswith("---") and name.endswith("---"))
    )


def _from_yaml(text: str) -> tuple[Style, ...]:
    if any(isinstance(token, yaml.AliasToken | yaml.TagToken) for token in yaml.scan(text, yaml.SafeLoader)):
        raise ValueError("aliases and tags are not used in styles")
    data = yaml.safe_load(text) or {}
    if not isinstance(data, dict):
        raise ValueError("it is not a list of names")
    version = data.pop(SCHEMA, SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ValueError(f"its {SCHEMA} is {version}, and this Easel reads up to {SCHEMA_VERSION}")
    return tuple(_style(str(name), value) for name, value in data.items())


def _style(name: str, value: object) -> Style:
    if isinstance(value, str):
        return Style(name, value)
    if isinstance(value, dict) and set(value) <= {"prompt", "negative_prompt"}:
        return Style(name, **{key: str(text or "") for key, text in value.items()})
    raise ValueError(f"{name}: a style has a prompt and a negative_prompt")


def _around(text: str, style: str) -> str:
    if PLACE in style:
        return style.replace(PLACE, text)
    return ", ".join(filter(None, (text.strip(), style.strip())))
