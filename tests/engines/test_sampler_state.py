"""A run that is stopped after any sampler call and continued by a new scheduler gives the same bytes."""

from __future__ import annotations

import itertools
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from engines import sampler_state
from engines.errors import InternalError
from engines.samplers import SAMPLERS, create_sampler, seed_sampler
from engines.samplers.table import Kind

from .sampling import FLOW, STABLE_DIFFUSION, ZERO_SNR, extras

STEPS = 7


@dataclass(frozen=True)
class Stopped:
    """What is left of a run after a call: bytes and JSON alone, as a checkpoint file holds them."""

    done: int
    data: bytes
    values: str


def fresh(sampler: str, schedule: str, config: dict[str, Any]) -> Any:
    scheduler = create_sampler(sampler, schedule, config)
    seed_sampler(scheduler, 11)
    scheduler.set_timesteps(STEPS, device="cpu")
    return scheduler


def model(scaled: torch.Tensor, timestep: Any) -> torch.Tensor:
    """Cheap, not linear, and different at every timestep."""
    return torch.tanh(scaled * 0.8 + float(timestep) / 1000) * 0.9


def advance(scheduler: Any, latents: torch.Tensor, timestep: Any, generator: torch.Generator) -> torch.Tensor:
    scale = getattr(scheduler, "scale_model_input", lambda sample, _: sample)  # flow schedulers have none
    answer = model(scale(latents, timestep), timestep)
    return scheduler.step(answer, timestep, latents, **extras(scheduler, generator), return_dict=False)[0]


def whole_run(scheduler: Any) -> tuple[torch.Tensor, list[Stopped]]:
    generator = torch.Generator().manual_seed(4)
    latents = torch.randn(1, 4, 4, 4, generator=generator) * getattr(scheduler, "init_noise_sigma", 1.0)
    stops = []
    for done, timestep in enumerate(scheduler.timesteps, 1):
        latents = advance(scheduler, latents, timestep, generator)
        tensors, values = sampler_state.capture(scheduler)
        data = save({**tensors, "latents": latents, "generator": generator.get_state()})
        stops.append(Stopped(done, data, json.dumps(values, allow_nan=False)))
    return latents, stops


def go_on(scheduler: Any, stopped: Stopped) -> torch.Tensor:
    tensors = load(stopped.data)
    latents, state = tensors.pop("latents"), tensors.pop("generator")
    generator = torch.Generator().manual_seed(999)
    generator.set_state(state)
    sampler_state.restore(scheduler, tensors, json.loads(stopped.values))
    for timestep in scheduler.timesteps[stopped.done :]:
        latents = advance(scheduler, latents, timestep, generator)
    return latents


def cases() -> list[tuple[str, str, str]]:
    found = []
    for entry in SAMPLERS.values():
        # They work with their own pipelines alone; the engine's tests run them.
        if entry.kind in (Kind.TRIGFLOW, Kind.SHIFTED, Kind.CONTINUOUS):
            continue
        if entry.kind is Kind.FLOW:
            found.append((entry.key, "Normal", "flow"))
            continue
        found += [(entry.key, "Normal", "zero-snr"), (entry.key, entry.schedules[-1], "epsilon")]
        found += [(entry.key, "Karras", "epsilon")] if "Karras" in entry.schedules else []
    return found


@pytest.mark.parametrize(("sampler", "schedule", "kind"), cases())
def test_stopping_after_any_call_changes_nothing(sampler: str, schedule: str, kind: str) -> None:
    config = {"epsilon": STABLE_DIFFUSION, "zero-snr": ZERO_SNR, "flow": FLOW}[kind]
    whole, stops = whole_run(fresh(sampler, schedule, config))
    assert whole.isfinite().all()
    assert len(stops) >= STEPS
    for stopped in stops:
        assert torch.equal(go_on(fresh(sampler, schedule, config), stopped), whole), f"after call {stopped.done}"


def test_a_scheduler_that_already_ran_is_put_back() -> None:
    """The engine lets the pipeline run through the finished steps before it restores."""
    scheduler = fresh("DPM++ 2M SDE", "Karras", STABLE_DIFFUSION)
    whole, stops = whole_run(fresh("DPM++ 2M SDE", "Karras", STABLE_DIFFUSION))
    for timestep in scheduler.timesteps[:3]:
        scheduler.scale_model_input(torch.zeros(1, 4, 4, 4), timestep)
    assert torch.equal(go_on(scheduler, stops[2]), whole)


def test_brownian_noise_does_not_depend_on_what_was_asked_before() -> None:
    from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

    levels = np.exp(np.linspace(np.log(4096.0), np.log(0.03), 12))
    pairs: Any = [(torch.tensor(float(high)), torch.tensor(float(low))) for high, low in itertools.pairwise(levels)]
    tree = BrownianTreeNoiseSampler(torch.zeros(1, 4, 4, 4), levels[-1], levels[0], 5)
    in_order = [tree(*pair) for pair in pairs]
    for skipped in range(1, len(pairs)):
        late = BrownianTreeNoiseSampler(torch.zeros(1, 4, 4, 4), levels[-1], levels[0], 5)
        for pair, expected in zip(pairs[skipped:], in_order[skipped:], strict=True):
            assert torch.equal(late(*pair), expected)


class Fake:
    """A scheduler with every kind of value that one may keep."""

    def __init__(self, **values: Any) -> None:
        self.timesteps = torch.arange(3)
        self.__dict__.update(values)

    def step(self) -> None: ...


def test_every_known_kind_comes_back_as_it_was() -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    kept: Any = Fake(
        outputs=[None, shared, shared.T],
        queue=deque([1.5, float("inf")], maxlen=4),
        pair=(True, -3),
        array=np.array([1, 2]),
        number=np.float32(0.1),
        scalar=torch.tensor(2.5),
        name="bh2",
        nothing=None,
    )
    kept.step = lambda: None  # the engine's hook is not state
    tensors, values = sampler_state.capture(kept)
    tensors, values = load(save(tensors)), json.loads(json.dumps(values, allow_nan=False))
    other: Any = Fake(leftover=7)
    sampler_state.restore(other, tensors, values)
    assert torch.equal(other.outputs[1], shared) and torch.equal(other.outputs[2], shared.T)
    assert (other.queue, other.queue.maxlen) == (kept.queue, 4)
    assert (other.pair, other.name, other.nothing, other.outputs[0]) == ((True, -3), "bh2", None, None)
    assert other.number.dtype == np.float32 and other.number == kept.number
    assert other.scalar.shape == () and np.array_equal(other.array, kept.array)
    assert not hasattr(other, "leftover") and "step" not in vars(other)


def test_what_is_captured_is_a_copy() -> None:
    kept: Any = Fake(sample=torch.zeros(2))
    tensors, _ = sampler_state.capture(kept)
    kept.sample += 1
    assert tensors["sample"].tolist() == [0, 0]


@pytest.mark.parametrize("value", [object(), {"a": 1}, [torch.zeros(1), {1}], lambda: None])
def test_an_unknown_kind_is_refused_at_once(value: Any) -> None:
    with pytest.raises(InternalError, match=r"Fake\.odd"):
        sampler_state.capture(Fake(odd=value))
