"""A grid on a tiny model: each cell a job of its own, its words encoded once, made again alone from its infotext."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.bootstrap import build_services
from app.foreign import readable
from app.jobs import Succeeded
from app.many.axes import parse_axis
from app.many.grid import Grid, GridRun, plan_grid
from app.paths import Paths
from app.resolve import Resolved, resolve
from app.services import Services
from engines.api import UserError, family, make_tiny_models, read_metadata

MODEL = "tiny-sd15"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    models = tmp_path_factory.mktemp("models")
    make_tiny_models(models, [family("sd15")])
    home = tmp_path_factory.mktemp("home")
    with build_services(Paths.default({"EASEL_HOME": str(home)}), in_process=True, more_models=[models]) as built:
        (built.paths.wildcards / "animal.txt").write_text("cat\ndog\nbird\nfish\n", encoding="utf-8")
        yield built


def planned(services: Services, *axes: str, **wishes: Any) -> Grid:
    values = {"prompt": "an (old:1.2) cat", "width": 64, "height": 64, "steps": 2, "seed": 5, **wishes}

    def resolved(changed: Any) -> Resolved:
        return resolve(models=services.models, model=MODEL, values=dict(changed))

    return plan_grid([parse_axis(axis) for axis in axes], values, resolved)


def encoder_of(services: Services) -> Any:
    return services.orchestrator.dispatcher.lanes[0]._engine._engine.model.parts["text_encoder"]  # pyright: ignore


def test_a_grid_from_plan_to_sheet(services: Services) -> None:
    grid = planned(services, "steps=1,2", "sampler=Euler,DPM++ 2M", "seed=5-6")
    run = GridRun(services, grid)
    sheets = run.finish()
    assert [path.name for path in sheets] == ["grid-1.png", "grid-2.png"]
    with Image.open(sheets[0]) as sheet:
        assert sheet.size[0] > 2 * 64 and sheet.size[1] > 2 * 64
    jobs = [services.orchestrator.job(job_id) for job_id in run.job_ids]
    assert all(isinstance(job.state, Succeeded) for job in jobs)
    wanted = [(steps, sampler, seed) for seed in (5, 6) for sampler in ("Euler", "DPM++ 2M") for steps in (1, 2)]
    assert [(job.request.steps, job.request.sampler, job.request.seed) for job in jobs] == wanted
    record = json.loads((run.folder / "grid.json").read_text(encoding="utf-8"))
    page = (run.folder / "index.html").read_text(encoding="utf-8")
    for job, cell in zip(jobs, record["cells"], strict=True):
        assert read_metadata(job.files[0]).request == job.request
        assert cell["file"] == job.files[0].name
        assert f'alt="steps {job.request.steps}, sampler {job.request.sampler}, seed {job.request.seed}"' in page
    again_from_infotext(services, jobs[3].files[0])


def again_from_infotext(services: Services, path: Path) -> None:
    """As another program's user would: from the text alone, without our own record."""
    values = readable(read_metadata(path).settings)
    resolved = resolve(models=services.models, model=MODEL, values={**values, "count": 1})
    job = services.orchestrator.submit(resolved.request, resolved.record)
    made = services.orchestrator.wait(job.id, 300)
    with Image.open(made.files[0]) as again, Image.open(path) as before:
        assert again.tobytes() == before.tobytes()
    assert made.files[0].read_bytes() == path.read_bytes()


def test_sixteen_seeds_encode_the_prompt_once(services: Services) -> None:
    GridRun(services, planned(services, "seed=1", steps=1)).finish()
    encoded: list[int] = []
    hook = encoder_of(services).register_forward_hook(lambda *_: encoded.append(1))
    try:
        run = GridRun(services, planned(services, "seed=1-16", steps=1, prompt="a new prompt", negative_prompt="new"))
        run.finish()
    finally:
        hook.remove()
    assert len(run.job_ids) == 16
    assert len(encoded) == 2


def test_each_cell_has_the_words_of_its_own_seed(services: Services) -> None:
    run = GridRun(services, planned(services, "seed=1-6", steps=1, prompt="a {red|blue} __animal__"))
    run.finish()
    prompts = [read_metadata(services.orchestrator.job(each).files[0]).request.prompt for each in run.job_ids]  # pyright: ignore
    assert len(set(prompts)) > 1
    assert all("{" not in prompt and "__" not in prompt for prompt in prompts)


def test_what_is_left_to_chance_is_drawn_once(services: Services) -> None:
    seeds = {cell.resolved.request.seed for cell in planned(services, "steps=1,2,3", seed=-1).cells}
    assert len(seeds) == 1


@pytest.mark.parametrize(
    ("axes", "code"),
    [
        (("steps=1,9999",), "value-out-of-range"),
        (("steps=1", "steps=2"), "axis-twice"),
        (("seed=1-101", "steps=1-100"), "grid-too-large"),
        (("sampler=Euler,Oiler",), "sampler-unknown"),
    ],
)
def test_nothing_is_queued_of_a_grid_that_cannot_be_made(services: Services, axes: tuple[str, ...], code: str) -> None:
    before = services.orchestrator.ledger.latest(1000)
    with pytest.raises(UserError) as caught:
        planned(services, *axes)
    assert caught.value.code == code
    assert services.orchestrator.ledger.latest(1000) == before
