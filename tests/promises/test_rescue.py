"""Numbers that break and memory that ends, in the real worker: what was done is said in a sentence and in the metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.bootstrap import build_services
from app.jobs import Failed, Interrupted, Job, Succeeded
from app.paths import ROOT, Paths
from engines.api import read_metadata
from tests.promises.conftest import wish

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

# Runs in the worker before anything else there: the engine's model is brought to 16 bits, and a part of it breaks.
BREAKING = """
import os, sys
from importlib.machinery import PathFinder

class Breaker(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target) if name == "engines.pipeline.engine" else None
        if spec is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (run(module), change(module))
        return spec

def change(module):
    import torch
    from dataclasses import replace
    own = module.DiffusersEngine.load
    part, how = os.environ["EASEL_TEST_BREAKS"].split(":")

    def load(self, record, ctx):
        own(self, record, ctx)
        if how == "nan":
            for each in self.model.parts.values():
                if isinstance(each, torch.nn.Module):
                    each.to(torch.bfloat16)
            self.model.placement = replace(self.model.placement, dtype="bfloat16")
        broken = self.model.parts[part]
        broken = broken.decoder if part == "vae" else broken

        def spoil(one, _inputs, output):
            if os.path.exists(os.environ["EASEL_TEST_WELL"]):
                return output
            if how == "memory":
                raise torch.OutOfMemoryError("no memory for the test")
            if next(one.parameters()).dtype == torch.float32:
                return output
            nan = lambda x: torch.full_like(x, torch.nan) if isinstance(x, torch.Tensor) and x.is_floating_point() else x
            if hasattr(output, "items"):
                for key, value in list(output.items()):
                    output[key] = nan(value)
                return output
            return tuple(map(nan, output)) if isinstance(output, tuple) else nan(output)

        broken.register_forward_hook(spoil)

    module.DiffusersEngine.load = load

sys.meta_path.insert(0, Breaker)
"""


def made(home: Path, monkeypatch: pytest.MonkeyPatch, breaks: str) -> tuple[Job, Job]:
    """A job under the breakage, and the same job after it is over: resumed where it was broken off."""
    folder = home.parent / "breaking"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BREAKING)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    monkeypatch.setenv("EASEL_TEST_BREAKS", breaks)
    monkeypatch.setenv("EASEL_TEST_WELL", str(folder / "well"))
    with build_services(Paths.below(home)) as services:
        orchestrator = services.orchestrator
        job = orchestrator.submit(wish(steps=4), services.models.get("starter"))
        first = orchestrator.wait(job.id, 300)
        (folder / "well").touch()
        if not isinstance(first.state, Succeeded):
            orchestrator.resume(job.id)
        return first, orchestrator.wait(job.id, 300)


@pytest.mark.parametrize(
    ("part", "note"),
    [
        ("text_encoder", "made in float32: in bfloat16 it was not a number any more after step 1"),
        ("unet", "made in float32: in bfloat16 it was not a number any more after step 1"),
        ("vae", "decoded in float32: the first try was not a number"),
    ],
)
def test_what_breaks_in_16_bits_is_made_in_float32(
    home: Path, monkeypatch: pytest.MonkeyPatch, promised: Callable[[str, str], None], part: str, note: str
) -> None:
    job, _ = made(home, monkeypatch, f"{part}:nan")
    assert isinstance(job.state, Succeeded), job.state
    (artifact,) = job.artifacts
    assert note in artifact.notes
    assert note in read_metadata(artifact.path).record["notes"]
    promised(f"numbers that break in {part} are rescued", f'"{note}", in the job and in the file')


def test_a_decode_without_memory_goes_on_later(
    home: Path, monkeypatch: pytest.MonkeyPatch, promised: Callable[[str, str], None]
) -> None:
    job, later = made(home, monkeypatch, "vae:memory")
    assert isinstance(job.state, Interrupted | Failed), job.state
    assert job.state.error.code in ("decode-out-of-memory", "out-of-memory")
    assert isinstance(later.state, Succeeded) and len(later.files) == 1
    assert later.state.seconds.get("denoise", 0.0) < 0.01, "nothing was drawn again"
    promised("a failed decode never costs the denoise", "kept, and decoded later without a step drawn again")
