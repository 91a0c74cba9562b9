"""`easel benchmark`: its values, its records, and real runs with the starter model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from app.benchmark.bench import Bench
from app.benchmark.figures import Figure, Goal
from app.benchmark.imports import costs_of
from app.benchmark.plot import GOOD, draw
from app.benchmark.record import Record, compare
from app.benchmark.registry import GROUPS
from app.benchmark.rows import estimates, many, switching
from app.commands import cli
from app.models import ModelStore
from app.paths import STARTER
from app.resolve import resolve
from engines.api import UserError


def a_record(*figures: Figure) -> Record:
    return Record(figures, {"model": "A model", "date": "2026-01-01 10:00"})


def test_the_ratio_is_the_median_of_the_pairs_ratios() -> None:
    """A computer that is slow for a while slows a pair, and not the ratio."""
    figure = Figure.of_pairs("step", [(1.0, 2.0), (50.0, 100.0), (3.0, 2.0)])
    assert (figure.easel, figure.plain, figure.ratio, figure.pairs) == (3.0, 2.0, 0.5, 3)


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(0.5), True),
        (Goal(0.49), False),
        (Goal(3.0, "easel"), True),
        (Goal(2.9, "easel"), False),
        (Goal(0.6, least=True), False),
        (None, None),
    ],
)
def test_a_goal_is_reached_or_not(goal: Goal | None, reached: bool | None) -> None:
    assert Figure("step", 3.0, 6.0, 0.5, goal=goal).reached is reached


def test_a_record_comes_back_from_its_file_and_is_compared(tmp_path: Path) -> None:
    before = a_record(Figure("step", 2.0, 4.0, 0.5, goal=Goal(1.0)), Figure("door", 1.0, goal=Goal(1.2, "easel")))
    read = Record.read(before.save(tmp_path / "records" / "a.json"))
    assert read == before
    now = a_record(Figure("step", 6.0, 8.0, 0.75), Figure("door", 1.1), Figure("new", 1.0))
    changes = {figure.name: round(change, 3) for figure, _old, change in compare(now, read)}
    assert changes == {"step": 1.5, "door": 1.1}


@pytest.mark.parametrize("content", ["", "{}", '{"version": 99}', '{"version": 1, "figures": [1]}', "[1]"])
def test_a_broken_record_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        Record.read(path)
    assert error.value.code == "benchmark-record-broken"


def test_the_plot_has_a_bar_as_long_as_the_ratio(tmp_path: Path) -> None:
    figures = [Figure("half", 1.0, 2.0, 0.5), Figure("whole", 1.0, 1.0, 1.0), Figure("none", 1.0)]
    picture = Image.open(draw(a_record(*figures), tmp_path / "plots" / "a.png")).convert("RGB")
    good = tuple(int(GOOD[at : at + 2], 16) for at in (1, 3, 5))
    width, height = picture.size
    lengths = [sum(picture.getpixel((x, y)) == good for x in range(width)) for y in range(height)]
    assert sorted(set(lengths))[-1] == pytest.approx(2 * sorted(set(lengths))[-2], abs=3)


def test_import_costs_are_summed_by_package() -> None:
    account = "import time:       100 |        900 |   pydantic.main\nimport time:    60 |  60 | pydantic\nnoise\n"
    account += "import time:      1000 |       2000 | app.http.app\n"
    assert costs_of(account) == (("app", 0.001), ("pydantic", 0.0002))


def test_unknown_rows_are_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EASEL_HOME", str(tmp_path))
    done = CliRunner().invoke(cli, ["benchmark", "--rows", "nothing"])
    assert isinstance(done.exception, UserError) and done.exception.code == "benchmark-group-unknown"


def test_the_command_measures_both_sides_and_keeps_the_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The starter model for real, both sides in new processes; then the same record to compare with."""
    monkeypatch.setenv("EASEL_HOME", str(tmp_path / "home"))
    kept, plot = tmp_path / "kept.json", tmp_path / "plot.png"
    arguments = ["benchmark", "--rows", "pictures", "--pairs", "1", "--set", "steps=3", "--json"]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(kept), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    figures = {each["name"]: each for each in data["figures"]}
    assert figures["one step"]["easel"] > 0 and figures["one step"]["plain"] > 0
    assert figures["a new seed: encoder calls"]["easel"] == 0
    assert figures["a new seed: encoder calls"]["plain"] > 0
    assert figures["a new seed: loads"]["reached"] is True
    assert json.loads(kept.read_text())["figures"] == data["figures"]
    assert Image.open(plot).width == 900


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    models = ModelStore((STARTER,))
    values = {"prompt": "a red apple", "seed": 1, "steps": 2}
    found = resolve(models=models, model="starter", values=values)
    return Bench(found.record, found.request, tmp_path, pairs=1, first_pairs=1)


def test_goals_count_for_the_models_they_are_for(bench: Bench) -> None:
    assert bench.tiny and not bench.full
    large = replace(bench, record=replace(bench.record, weight_bytes=2_130_000_000))
    assert large.full and not large.tiny


def test_seeds_differ_and_words_do_not(bench: Bench) -> None:
    first, second = bench.another(), bench.another()
    assert first.seed != second.seed and first.prompt == second.prompt == bench.request.prompt


def test_every_group_says_what_it_measures() -> None:
    assert all(group.summary for group in GROUPS.values())


@pytest.mark.long
def test_going_back_to_a_model_loads_nothing(bench: Bench) -> None:
    with bench:
        figures = {figure.name: figure for figure in switching.measure(bench)}
    assert figures["A, B, A: loads on the way back"].easel == 0


@pytest.mark.long
def test_many_pictures_of_one_wish_encode_and_load_once(bench: Bench) -> None:
    with bench:
        figures = {figure.name: figure for figure in many.measure(bench)}
    seeds = figures["16 seeds: encoder calls"]
    assert seeds.plain is not None and 0 < seeds.easel <= 2 and seeds.plain >= 16
    assert figures["16 seeds: encoder calls after the first"].reached is True
    assert figures["another weight of a LoRA: loads"].reached is True
    together = figures["a picture of four made together"]
    assert together.easel > 0 and together.ratio is not None and together.beside == "one by one"


@pytest.mark.long
def test_estimates_are_held_against_real_jobs(bench: Bench) -> None:
    with bench:
        figures = {figure.name: figure for figure in estimates.measure(bench)}
    assert figures["memory expected after jobs, off by"].easel < 15
    assert "expected" in figures["seconds expected after jobs, off by"].note


@pytest.mark.long
@pytest.mark.parametrize("name", ["http", "startup", "loading"])
def test_the_other_groups_measure_something(bench: Bench, name: str) -> None:
    with bench:
        figures = list(GROUPS[name].measure(bench))
    assert figures and all(figure.easel > 0 for figure in figures)
