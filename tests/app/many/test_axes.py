"""Axes, files of prompts and styles as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.many.axes import Axis, parse_axis
from app.many.prompts_file import read_prompts
from app.styles import Style, StyleStore, read_styles
from engines.api import UserError


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("steps=10,20", "steps", ["10", "20"]),
        ("sampler=Euler, DPM++ 2M", "sampler", ["Euler", "DPM++ 2M"]),
        ("seed=1-3", "seed", ["1", "2", "3"]),
        ("steps=10-30 (+10), 50", "steps", ["10", "20", "30", "50"]),
        ("steps=3-1", "steps", ["3", "2", "1"]),
        ("guidance=1-2 (+0.5)", "guidance", ["1", "1.5", "2"]),
        ("guidance=1-8 [3]", "guidance", ["1", "4.5", "8"]),
        ("steps=10-20 [3]", "steps", ["10", "15", "20"]),
        ('prompt="a cat, old",a dog', "prompt", ["a cat, old", "a dog"]),
        ("prompt=1-3", "prompt", ["1-3"]),
        ("clip-skip=1,2", "clip_skip", ["1", "2"]),
        ("seed=-1,-1", "seed", ["-1", "-1"]),
    ],
)
def test_axes(text: str, field: str, values: list[str]) -> None:
    assert parse_axis(text) == Axis(field, tuple(values))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("stepz=1", "axis-unknown"),
        ("steps", "axis-unknown"),
        ("count=1,2", "axis-unknown"),
        ("steps=", "axis-length"),
        ("seed=1-100000", "axis-length"),
        ("steps=1-3 (-1)", "axis-range"),
        ("steps=1-3 (0)", "axis-range"),
    ],
)
def test_what_is_no_axis(text: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_axis(text)
    assert caught.value.code == code
    assert str(caught.value)


def test_words_are_replaced() -> None:
    axis = parse_axis("replace=cat,dog,old (bird:1.2)")
    wishes = {"prompt": "a cat on a cat", "negative_prompt": "no cat"}
    assert axis.change(2, wishes) == {
        "prompt": "a old (bird:1.2) on a old (bird:1.2)",
        "negative_prompt": "no old (bird:1.2)",
    }
    assert axis.change(0, wishes) == wishes


def test_a_file_of_prompts(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(
        "\ufeff# three\na cat, (old:1.2)\n\n--prompt \"a dog\" --steps 12 --cfg_scale=3 --sampler-name 'Euler a'\n  a bird \n",
        encoding="utf-8",
    )
    assert read_prompts(path) == [
        {"prompt": "a cat, (old:1.2)"},
        {"prompt": "a dog", "steps": "12", "guidance": "3", "sampler": "Euler a"},
        {"prompt": "a bird"},
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "--prompt", "--colour red", '--prompt "a'])
def test_files_of_prompts_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_prompts(path)
    assert caught.value.code == "prompts-file"


CSV = '\ufeffname,prompt,negative_prompt\r\n--- photo ---,,\r\nOld film,"grain, {prompt}, 1970s",sharp\r\nPlain,soft light,\r\n'


def test_styles_go_around_the_prompt(tmp_path: Path) -> None:
    source = tmp_path / "styles.csv"
    source.write_bytes(CSV.encode())
    store = StyleStore(tmp_path / "styles", None)
    assert store.all() == ()
    store.take_in(source)
    assert store.all() == (Style("Old film", "grain, {prompt}, 1970s", "sharp"), Style("Plain", "soft light"))
    assert store.apply(["old film", "Plain"], "a cat", "") == ("grain, a cat, 1970s, soft light", "sharp")
    assert store.apply([], "a cat", "x") == ("a cat", "x")
    with pytest.raises(UserError) as caught:
        store.get("Old flim")
    assert caught.value.params["nearest"] == ["Old film"]


def test_a_second_file_of_the_same_name_takes_no_style_away(tmp_path: Path) -> None:
    store = StyleStore(tmp_path / "styles", None)
    for program, text in (
        ("one", "Old film: grain\nPlain: soft light"),
        ("two", "plain: hard light\nInk: drawn in ink"),
    ):
        (tmp_path / program).mkdir()
        (tmp_path / program / "styles.yaml").write_text(text)
        store.take_in(tmp_path / program / "styles.yaml")
    assert [(each.name, each.prompt) for each in store.all()] == [
        ("Ink", "drawn in ink"),
        ("Old film", "grain"),
        ("plain", "hard light"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "no,such,columns\n1,2,3"),
        ("a.yaml", "- a list"),
        ("a.yaml", "x: {colour: red}"),
        ("a.yaml", "x: &a b\ny: *a"),
        ("a.yaml", "x: !!python/object/apply:os.system ['true']"),
        ("a.yaml", "schema_version: 2\nx: y"),
        ("a.yaml", "x: ["),
    ],
)
def test_styles_that_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_styles(path)
    assert caught.value.code == "styles-broken"


def test_the_styles_that_come_with_easel(tmp_path: Path) -> None:
    store = StyleStore(tmp_path)
    brought = store.all()
    assert len(brought) >= 12 and all(each.prompt.count("{prompt}") == 1 and each.negative_prompt for each in brought)
    for each in brought:
        read = f"{each.prompt} {each.negative_prompt}".replace("{prompt}", "")
        assert not set(read) & set("()[]<>|{}_\\"), f"{each.name}: words alone, which every family reads"
        assert len(each.prompt.split()) <= 25, f"{each.name}: there is room for the person's words in CLIP's 75 tokens"
    (tmp_path / "mine.yaml").write_text("photo: 'my own {prompt}'\n", encoding="utf-8")
    assert store.apply(["Photo"], "cat", "") == ("my own cat", "")
    assert len(store.all()) == len(brought)
    (tmp_path / "mine.yaml").write_text("[", encoding="utf-8")
    assert store.usable() == brought
