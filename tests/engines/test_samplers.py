"""Samplers are what they are called: noise levels as A1111, k-diffusion and ComfyUI define them, on every kind of model."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta

from engines.errors import InternalError, UserError
from engines.samplers import (
    FLOW_SAMPLERS,
    SAMPLERS,
    SCHEDULERS,
    SamplerRegistry,
    create_sampler,
    default_schedule,
    sampler_rows,
    seed_sampler,
    supported,
)
from engines.samplers.table import SAMPLER_TABLE, SCHEDULE_TABLE, Kind, Steps

from .sampling import FLOW, MEAN, SPREAD, STABLE_DIFFUSION, ZERO_SNR, flow_sample, go_on, sample, trained_sigmas

MODELS = {"epsilon": STABLE_DIFFUSION, "zero-snr": ZERO_SNR}
PAIRS = [
    (entry.key, schedule) for entry in SAMPLERS.values() if entry.kind is Kind.NOISE for schedule in entry.schedules
]
SIGMA_PAIRS = [pair for pair in PAIRS if SAMPLERS[pair[0]].steps in (Steps.SIGMAS, Steps.PLAIN_SIGMAS)]


def reference(schedule: str, trained: np.ndarray, steps: int) -> np.ndarray:
    """The definitions, written down a second time."""
    low, high, last = trained[0], trained[-1], len(trained) - 1

    def at(timestep: float) -> float:
        below = min(int(timestep), last - 1)
        share = timestep - below
        return float(trained[below] ** (1 - share) * trained[below + 1] ** share)

    share = [i / (steps - 1) for i in range(steps)]
    return np.array(
        {
            "Normal": [at(last * (1 - s)) for s in share],
            "SGM uniform": [at(last * (1 - i / steps)) for i in range(steps)],
            "Simple": [trained[::-1][int(i * len(trained) / steps)] for i in range(steps)],
            "Karras": [(high ** (1 / 7) + s * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for s in share],
            "Exponential": [high ** (1 - s) * low**s for s in share],
            "Beta": [at(float(beta.ppf(1 - i / steps, 0.6, 0.6)) * last) for i in range(steps)],
        }[schedule]
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("sampler", "schedule"), SIGMA_PAIRS)
def test_noise_levels_are_the_definition(sampler: str, schedule: str, model: str) -> None:
    scheduler = create_sampler(sampler, schedule, MODELS[model])
    scheduler.set_timesteps(20, device="cpu")
    levels = torch.unique_consecutive(scheduler.sigmas).numpy()
    expected = reference(schedule, trained_sigmas(MODELS[model]), 20)
    assert levels[-1] == 0
    np.testing.assert_allclose(levels[:-1], expected, rtol=2e-3)
    assert len(scheduler.timesteps) == (20 if SAMPLERS[sampler].calls == 1 else 39)


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "Heun"])
@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_timesteps_belong_to_the_noise_levels(sampler: str, schedule: str) -> None:
    scheduler = create_sampler(sampler, schedule, STABLE_DIFFUSION)
    scheduler.set_timesteps(20, device="cpu")
    levels = np.log(torch.unique_consecutive(scheduler.sigmas)[:-1].numpy())
    expected = np.interp(levels, np.log(trained_sigmas(STABLE_DIFFUSION)), np.arange(1000))
    np.testing.assert_allclose(torch.unique_consecutive(scheduler.timesteps).numpy(), expected, atol=0.05)


def test_the_models_own_spacing_does_not_lower_the_first_noise_level() -> None:
    scheduler = create_sampler("Euler", "Karras", STABLE_DIFFUSION)
    scheduler.set_timesteps(20)
    assert scheduler.sigmas[0] == pytest.approx(14.61, abs=0.01)


def test_beta_is_comfyuis_within_its_rounding() -> None:
    trained = trained_sigmas(STABLE_DIFFUSION)
    rounded = np.rint(beta.ppf(1 - np.linspace(0, 1, 20, endpoint=False), 0.6, 0.6) * 999).astype(int)
    scheduler = create_sampler("Euler", "Beta", STABLE_DIFFUSION)
    scheduler.set_timesteps(20)
    assert np.abs(scheduler.timesteps.numpy() - rounded).max() <= 0.55
    assert scheduler.sigmas[0] == pytest.approx(trained[-1], rel=1e-3)


def test_even_samplers_and_lcm_have_their_own_timesteps() -> None:
    def timesteps(sampler: str, schedule: str, model: dict, steps: int) -> list[int]:
        scheduler = create_sampler(sampler, schedule, model)
        scheduler.set_timesteps(steps)
        return scheduler.timesteps.tolist()

    assert timesteps("DDIM", "Normal", STABLE_DIFFUSION, 4) == [751, 501, 251, 1]  # A1111
    assert timesteps("DDIM", "SGM uniform", STABLE_DIFFUSION, 4) == [999, 749, 499, 249]
    assert timesteps("DDIM", "Normal", ZERO_SNR, 4) == [999, 749, 499, 249]
    assert timesteps("LCM", "Normal", STABLE_DIFFUSION, 4) == [999, 759, 499, 259]
    assert timesteps("LCM", "SGM uniform", STABLE_DIFFUSION, 4) == [999, 749, 500, 250]
    assert len(timesteps("LCM", "Normal", STABLE_DIFFUSION, 80)) == 80


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_every_pair_finds_the_data_in_20_steps(sampler: str, schedule: str, model: str) -> None:
    scheduler = create_sampler(sampler, schedule, MODELS[model])
    seed_sampler(scheduler, 3)
    found = sample(scheduler, MODELS[model], 20)
    # LCM takes each answer for the whole truth: smooth pictures from models that were not made for it.
    slack = 0.25 if sampler == "LCM" else 0.19
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.12)
    assert float(found.std()) == pytest.approx(SPREAD, abs=slack)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampler", [entry.key for entry in SAMPLERS.values() if entry.kind is Kind.NOISE])
def test_few_and_many_steps_stay_finite(sampler: str, model: str) -> None:
    for schedule in SAMPLERS[sampler].schedules:
        for steps in (1, 2, 60):
            scheduler = create_sampler(sampler, schedule, MODELS[model])
            seed_sampler(scheduler, 3)
            assert sample(scheduler, MODELS[model], steps, side=4).isfinite().all(), (schedule, steps)


@pytest.mark.parametrize(("sampler", "schedule"), PAIRS)
def test_starting_in_the_middle_as_image_to_image_does(sampler: str, schedule: str) -> None:
    scheduler = create_sampler(sampler, schedule, STABLE_DIFFUSION)
    seed_sampler(scheduler, 3)
    scheduler.set_timesteps(20, device="cpu")
    start = 8 * scheduler.order
    timesteps = scheduler.timesteps[start:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    generator = torch.Generator().manual_seed(1)
    clean = MEAN + SPREAD * torch.randn(1, 4, 24, 24, generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    noisy = scheduler.add_noise(clean, noise, timesteps[:1])
    found = go_on(scheduler, STABLE_DIFFUSION, noisy, timesteps, generator)
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.12)
    assert float(found.std()) == pytest.approx(SPREAD, abs=0.26)


@pytest.mark.parametrize("sampler", [entry.key for entry in SAMPLERS.values() if entry.kind is Kind.NOISE])
def test_zero_terminal_snr_reaches_classes_without_the_flag(sampler: str) -> None:
    scheduler = create_sampler(sampler, "Normal", ZERO_SNR)
    kept = scheduler.alphas_cumprod.double().numpy()
    expected = 1 / (1 + trained_sigmas(ZERO_SNR) ** 2)
    np.testing.assert_allclose(kept, expected, rtol=5e-3, atol=1e-7)


def test_only_facts_of_training_come_from_the_model() -> None:
    config = {**STABLE_DIFFUSION, "use_karras_sigmas": True, "solver_order": 9}
    scheduler = create_sampler(
        "DPM++ 2M", "Normal", {**config, "trained_betas": [0.01] * 500, "num_train_timesteps": 500}
    )
    assert scheduler.config.solver_order == 2
    assert len(scheduler.alphas_cumprod) == 500


@pytest.mark.parametrize("sampler", ["DDIM", "Heun", "LCM"])
@pytest.mark.parametrize(
    "config", [{"_class_name": "EulerDiscreteScheduler"}, {**STABLE_DIFFUSION, "clip_sample": True}]
)
def test_latents_are_never_clipped(sampler: str, config: dict[str, Any]) -> None:
    assert create_sampler(sampler, "Normal", config).config.clip_sample is False


def test_what_a_configuration_leaves_out_is_its_own_class_default() -> None:
    scheduler = create_sampler("DPM++ SDE", "Karras", {"_class_name": "EulerDiscreteScheduler"})
    assert (scheduler.config.beta_start, scheduler.config.beta_end) == (0.0001, 0.02)


def test_overrides_win() -> None:
    made = create_sampler("Euler", "Normal", STABLE_DIFFUSION, {"prediction_type": "v_prediction"})
    assert made.config.prediction_type == "v_prediction"


@pytest.mark.parametrize("name", ["dpmpp_2m_sde", "DPM++ 2M SDE", "dpm++ 2m sde"])
def test_a_sampler_answers_to_all_its_names(name: str) -> None:
    assert create_sampler(name, "karras", STABLE_DIFFUSION).config.algorithm_type == "sde-dpmsolver++"


def test_names_that_people_bring_along() -> None:
    for name, key in {
        "euler_ancestral": "Euler a",
        "PLMS": "PNDM",
        "uni_pc": "UniPC",
        "HeunDiscreteScheduler": "Heun",
    }.items():
        assert type(create_sampler(name, "Normal", STABLE_DIFFUSION)).__name__ == SAMPLERS[key].class_name


@pytest.mark.parametrize(
    ("sampler", "schedule", "config", "code", "words"),
    [
        ("Eular", "Normal", STABLE_DIFFUSION, "sampler-unknown", "Euler"),
        ("Euler", "Karas", STABLE_DIFFUSION, "scheduler-unknown", "Karras"),
        ("DDIM", "Karras", STABLE_DIFFUSION, "schedule-not-for-sampler", "Normal, SGM uniform"),
        ("Euler", "Normal", FLOW, "sampler-not-for-model", "Euler flow"),
        ("Euler flow", "Normal", STABLE_DIFFUSION, "sampler-not-for-model", "DPM++ 2M"),
    ],
)
def test_what_does_not_go_is_said(sampler: str, schedule: str, config: dict, code: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        create_sampler(sampler, schedule, config)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "<" not in str(caught.value)
    assert caught.value.message.fixes


def test_supported_gives_the_reason() -> None:
    assert supported("Euler a", "Karras", STABLE_DIFFUSION)
    refused = supported("PNDM", "Beta")
    assert not refused and "Normal" in refused.reason
    assert default_schedule("DDIM", "Karras") == "Normal"
    assert default_schedule("Euler", "karras") == "Karras"


FLOW_PAIRS = [(entry.key, plan) for entry in SAMPLERS.values() if entry.kind is Kind.FLOW for plan in entry.schedules]
# As FLUX.1 has it: the shift grows with the size, and the pipeline says by how much.
DYNAMIC = {**FLOW, "shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
SOLVER = {
    "_class_name": "DPMSolverMultistepScheduler",
    "num_train_timesteps": 1000,
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "flow_shift": 3.0,
}


def levels(config: dict[str, object], sampler: str, schedule: str, steps: int, **given: object) -> list[float]:
    scheduler = create_sampler(sampler, schedule, config)
    scheduler.set_timesteps(steps, device="cpu", **given)
    return sorted(set(scheduler.timesteps.tolist()), reverse=True)


@pytest.mark.parametrize(("sampler", "schedule"), FLOW_PAIRS)
def test_flow_samplers_find_the_data(sampler: str, schedule: str) -> None:
    made = flow_sample(create_sampler(sampler, schedule, FLOW), 24)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.03)
    exact = 0.15 if sampler == "Euler flow" else 0.05  # of the first order, so that 24 steps are not many
    assert float(made.std()) == pytest.approx(SPREAD, rel=exact)


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
def test_flow_samplers_visit_the_levels_of_the_models_own_scheduler(sampler: str) -> None:
    from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

    own = FlowMatchEulerDiscreteScheduler.from_config(FLOW)
    given = {"sigmas": np.linspace(1.0, 1 / 8, 8)}
    own.set_timesteps(device="cpu", **given)
    assert levels(FLOW, sampler, "Normal", 8, **given) == own.timesteps.tolist()  # pyright: ignore
    dynamic = FlowMatchEulerDiscreteScheduler.from_config(DYNAMIC)
    given["mu"] = 0.9
    dynamic.set_timesteps(device="cpu", **given)
    assert levels(DYNAMIC, sampler, "Normal", 8, **given) == dynamic.timesteps.tolist()  # pyright: ignore
    solver = DPMSolverMultistepScheduler.from_config(SOLVER)
    solver.set_timesteps(8, device="cpu")
    assert levels(SOLVER, sampler, "Normal", 8) == pytest.approx((solver.sigmas[:-1] * 1000).tolist(), abs=1e-3)


@pytest.mark.parametrize(("sampler", "schedule"), FLOW_PAIRS)
def test_one_step_goes_from_all_noise_to_the_picture(sampler: str, schedule: str) -> None:
    """Also where the last of several levels would be moved, as Qwen-Image and LTX-Video have it."""
    for config, given in (({**FLOW, "shift_terminal": 0.02}, {}), ({**DYNAMIC, "shift_terminal": 0.02}, {"mu": 0.9})):
        scheduler = create_sampler(sampler, schedule, config)
        scheduler.set_timesteps(1, device="cpu", sigmas=np.linspace(1.0, 1.0, 1), **given)
        assert scheduler.timesteps[0].item() == pytest.approx(1000, abs=0.01)
        assert scheduler.sigmas.tolist() == pytest.approx([1.0, 0.0], abs=1e-5)
    made = flow_sample(create_sampler(sampler, schedule, {**FLOW, "shift_terminal": 0.02}), 1)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.03)


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
def test_flow_samplers_put_noise_on_a_picture_at_their_step(sampler: str) -> None:
    scheduler = create_sampler(sampler, "Normal", FLOW)
    scheduler.set_timesteps(8, device="cpu")
    start = scheduler.timesteps[3 * scheduler.order : 3 * scheduler.order + 1]
    scheduler.set_begin_index(3 * scheduler.order)
    noisy = scheduler.scale_noise(torch.zeros(1, 4, 2, 2), start, torch.ones(1, 4, 2, 2))
    assert float(noisy.mean()) == pytest.approx(float(start) / 1000)


def test_facts_about_the_shift_reach_the_pipelines() -> None:
    config = {**DYNAMIC, "max_shift": 0.9, "max_image_seq_len": 8192}
    for sampler in FLOW_SAMPLERS:
        made = create_sampler(sampler, "Normal", config).config
        assert (made["max_shift"], made["max_image_seq_len"], made["use_dynamic_shifting"]) == (0.9, 8192, True)


def test_two_entries_with_one_name_are_an_error() -> None:
    with pytest.raises(InternalError, match="stands twice"):
        SamplerRegistry((*SAMPLER_TABLE, SAMPLER_TABLE[0]), SCHEDULE_TABLE)
    with pytest.raises(InternalError, match="not in the table"):
        SamplerRegistry(SAMPLER_TABLE, SCHEDULE_TABLE[:2])


def test_brownian_noise_comes_from_the_seed_and_leaves_the_global_one_alone() -> None:
    def run(seed: int) -> torch.Tensor:
        scheduler = create_sampler("DPM++ SDE", "Karras", STABLE_DIFFUSION)
        seed_sampler(scheduler, seed)
        return sample(scheduler, STABLE_DIFFUSION, 4, side=8)

    before = torch.get_rng_state()
    first, again, other = run(5), run(5), run(6)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_the_choice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "engines.samplers.create"):
        create_sampler("heun", "Karras", ZERO_SNR)
    assert "key=Heun schedule=Karras class=HeunDiscreteScheduler why=" in caplog.text
    assert "trained_betas" in caplog.text


def test_the_tables_are_plain_data() -> None:
    code = "import engines.samplers, sys; sys.exit(any(m in sys.modules for m in ('torch', 'diffusers', 'numpy', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_for_the_manual() -> None:
    rows = {row["name"]: row for row in sampler_rows()}
    assert set(rows) == set(SAMPLERS)
    assert rows["DPM++ SDE"]["stochastic"] == "yes"
    assert rows["DPM++ SDE"]["needs"] == "scipy, torchsde"
    assert rows["PNDM"]["schedules"] == "Normal"
