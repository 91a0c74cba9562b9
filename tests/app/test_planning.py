"""What a wish takes is said before it starts, from headers, then from this computer's own jobs; what cannot fit is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import machine
from app.bootstrap import build_services
from app.jobs import Succeeded
from app.measured import Measured, Measurement
from app.models import ModelStore
from app.paths import ROOT, Paths
from app.planning import Planner
from app.services import Services
from engines.api import (
    CONTROLNET,
    Artifact,
    GenerationRequest,
    GenerationResult,
    ResourceError,
    family,
    make_tiny_models,
)
from tests.engines.identify.headers import fixture, write_safetensors

GB = 10**9


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with build_services(Paths.below(tmp_path_factory.mktemp("home"))) as built:
        yield built


def wish(**fields: object) -> GenerationRequest:
    values = {
        "model": "starter",
        "prompt": "a red apple",
        "width": 64,
        "height": 64,
        "steps": 4,
        "guidance": 3.5,
        "sampler": "DPM++ 2M",
        "scheduler": "Simple",
        "seed": 3,
        **fields,
    }
    return GenerationRequest.model_validate(values)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets this computer have so many GB free of 16."""

    def have(free: float) -> None:
        monkeypatch.setattr(machine, "memory", lambda: machine.Memory(16 * GB, round(free * GB)))

    return have


def test_a_wish_that_cannot_fit_is_refused_with_one_that_can(
    services: Services, memory: Callable[[float], None]
) -> None:
    record = services.models.get("starter")
    memory(16)
    services.planner.check(wish(), record)
    memory(1.6)
    big = wish(width=1024, height=1024)
    with pytest.raises(ResourceError) as caught:
        services.orchestrator.submit(big, record)
    error = caught.value
    assert error.code == "memory-too-small"
    assert "16.0 GB" in error.message.cause
    fitting = big.with_(width=error.params["width"], height=error.params["height"])
    assert fitting.width < 1024
    services.planner.check(fitting, record)


def test_the_limit_of_the_settings_wins(services: Services, memory: Callable[[float], None]) -> None:
    record = services.models.get("starter")
    memory(16)
    services.change_settings(memory_limit=0.3)
    try:
        with pytest.raises(ResourceError):
            services.planner.check(wish(), record)
        memory(0)
        services.change_settings(memory_limit=12)
        assert services.planner.check(wish(), record).budget == 12 * GB
    finally:
        services.change_settings(memory_limit=0)


def test_a_controlnet_of_real_size_counts(services: Services, memory: Callable[[float], None], tmp_path: Path) -> None:
    """The header of the one of Stable Diffusion 1.5, without its weights: 361 million numbers, 1.4 GB on a processor."""
    net = write_safetensors(tmp_path / "net.safetensors", fixture("sd15-controlnet-diffusers"))
    record, request, files = services.models.get("starter"), wish(), {f"{CONTROLNET}net": net}
    memory(16)
    plain, guided = (services.planner.plan(request, record, each) for each in ({}, files))
    assert guided.peak - plain.peak == pytest.approx(361e6 * 4, rel=0.01)
    lora = {"style": write_safetensors(tmp_path / "style.safetensors", {"a.lora_down.weight": ("F16", [1000, 1000])})}
    assert services.planner.plan(request, record, lora).peak - plain.peak == pytest.approx(4e6, rel=0.01)
    memory((plain.peak + guided.peak) / 2 / GB + 0.7)
    services.planner.check(request, record)
    with pytest.raises(ResourceError) as caught:
        services.planner.check(request, record, files)
    assert caught.value.code == "memory-too-small"


def test_estimates_learn_from_jobs_of_this_computer(services: Services) -> None:
    record, request = services.models.get("starter"), wish(steps=8)
    before = services.planner.estimate(request, record)
    assert not before.measured
    job = services.orchestrator.submit(request, record)
    done = services.orchestrator.wait(job.id, 300)
    assert isinstance(done.state, Succeeded), done.state
    after = services.planner.estimate(request, record)
    assert after.measured and after.seconds is not None
    took = sum(seconds for stage, seconds in done.state.seconds.items() if stage != "load")
    assert after.seconds == pytest.approx(took, rel=0.01)
    longer = services.planner.estimate(wish(steps=16), record).seconds
    assert longer is not None and after.seconds < longer < 2.1 * after.seconds
    started = time.process_time()
    for _ in range(10):
        services.planner.estimate(request, record)
    assert (time.process_time() - started) / 10 < 0.05, "an estimate stands beside a form that changes"


def test_steps_that_may_be_left_out_are_promised_when_a_job_has_shown_them(tmp_path: Path) -> None:
    """A draft of a transformer leaves steps out while little changes: until one was made, all of them are expected."""
    make_tiny_models(tmp_path / "models", [family("flux")])
    record = next(iter(ModelStore((tmp_path / "models",)).all()))
    planner = Planner(Measured(tmp_path / "measured.json"))
    best = wish(model=record.id, steps=12)
    draft = best.with_(shortcuts={"every": 3, "change": 0.4})

    def learn(request: GenerationRequest, seconds: float) -> None:
        made = Artifact(0, tmp_path / "a.png", "image/png", 3, 64, 64)
        plan = planner.plan(request, record)
        planner.learn(request, record, plan, GenerationResult((made,), {"denoise": seconds}, 0))

    learn(best, 12.0)
    assert planner.estimate(draft, record).seconds == pytest.approx(12.0)
    sure = planner.estimate(best.with_(shortcuts={"every": 3, "change": 1.0}), record).seconds
    assert sure is not None and sure < 8.0, "with no look at changes every third step alone is run in full"
    learn(draft, 9.0)
    assert planner.estimate(draft, record).seconds == pytest.approx(9.0)
    assert planner.estimate(best, record).seconds == pytest.approx(12.0)


def test_what_was_measured_is_told_from_what_is_expected(services: Services) -> None:
    record, request = services.models.get("starter"), wish(steps=9)
    assert services.planner.measured_seconds(request, record) is None
    job = services.orchestrator.submit(request, record)
    done = services.orchestrator.wait(job.id, 300)
    assert isinstance(done.state, Succeeded), done.state
    took = sum(seconds for stage, seconds in done.state.seconds.items() if stage != "load")
    assert services.planner.measured_seconds(request, record) == pytest.approx(took, rel=0.01)
    two = services.planner.measured_seconds(wish(steps=9, count=2), record)
    assert two is not None and took < two < 2.1 * took
    for other in ({"steps": 12}, {"steps": 9, "width": 128}, {"steps": 9, "guidance": 0.0}):
        assert services.planner.measured_seconds(wish(**other), record) is None, other


def test_measurements_survive_a_start_and_a_broken_file(tmp_path: Path) -> None:
    row = Measurement("here", "a", 1, (64, 64, 1), 1e9, 1, 10, {"denoise": 1.0}, {"denoise": 12})
    Measured(tmp_path / "m.json").add(row)
    assert Measured(tmp_path / "m.json").rows("here", "a") == [row]
    assert Measured(tmp_path / "m.json").rows("elsewhere") == []
    (tmp_path / "m.json").write_text("{", encoding="utf-8")
    again = Measured(tmp_path / "m.json")
    assert again.rows("here") == []
    again.add(row)
    assert Measured(tmp_path / "m.json").rows("here") == [row]


def test_a_rung_that_failed_is_remembered_for_this_size_and_larger_ones(tmp_path: Path) -> None:
    measured = Measured(tmp_path / "m.json")
    measured.failed("here", "a", (512, 512, 1), 3)
    again = Measured(tmp_path / "m.json")
    assert again.from_rung("here", "a", (512, 512, 1)) == 3
    assert again.from_rung("here", "a", (1024, 512, 1)) == 3
    assert again.from_rung("here", "a", (256, 512, 1)) == 0
    assert again.from_rung("here", "b", (512, 512, 1)) == 0


def test_what_the_engine_holds_counts_as_free(tmp_path: Path, memory: Callable[[float], None]) -> None:
    memory(2)
    planner = Planner(Measured(tmp_path / "m.json"), held=lambda: 5 * GB)
    facts = planner.facts()
    assert facts.device != "cpu" or facts.free_memory == 7 * GB


def easel(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from app.__main__ import main\n"
        "try:\n    sys.exit(main())\nfinally:\n    sys.stderr.write('torch came' if 'torch' in sys.modules else '')"
    )
    words = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_the_plan_on_the_command_line(tmp_path: Path) -> None:
    told = easel(tmp_path, "plan", "a red apple", "--set", "width=64", "--set", "height=64", "--json")
    assert told.returncode == 0, told.stderr
    assert "torch came" not in told.stderr
    plan = json.loads(told.stdout)
    assert plan["fits"] and plan["placement"]["dtype"] == "float32"
    assert {stage["stage"] for stage in plan["stages"]} == {"load", "encode", "denoise", "decode"}
    shown = easel(tmp_path, "plan")
    assert shown.returncode == 0 and "chosen: the whole model in memory" in shown.stdout
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "settings.json").write_text('{"schema_version": 1, "memory_limit": 0.2}', encoding="utf-8")
    refused = easel(tmp_path, "plan", "--json")
    assert refused.returncode == 3
    assert json.loads(refused.stdout)["error"]["code"] == "memory-too-small"
