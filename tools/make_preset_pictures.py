"""Make the pictures that stand for the bundled presets: the starter model draws one with each.

Run it again when a preset or the starter model has changed: ./.venv/bin/python tools/make_preset_pictures.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.bootstrap import build_services
from app.paths import BUNDLED_PRESETS, PRESET_PICTURES, Paths
from app.presets import Preset
from app.resolve import resolve
from app.services import Services
from engines.api import EaselError

PROMPT, SEED = "a fox", 7
BEGINNING = "a bear"  # presets that change a picture start from this one


def main() -> int:
    """Draw one picture for each preset that the starter model can do; returns the exit status."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    with tempfile.TemporaryDirectory() as home, build_services(Paths.below(Path(home))) as services:
        begin = _draw(services, None, {"prompt": BEGINNING, "seed": SEED})
        mask = Path(home) / "mask.png"
        _half(begin, mask)
        for preset in services.presets.all():
            _make(services, preset, begin, mask)
    return 0


def _make(services: Services, preset: Preset, begin: Path, mask: Path) -> None:
    values: dict[str, object] = {"prompt": PROMPT, "seed": SEED, "count": 1}
    if preset.task.needs_image:
        values["init_image"] = str(begin)
    if preset.task.needs_mask:
        values["mask"] = str(mask)
    try:
        picture = _draw(services, preset, values)
    except EaselError as error:
        print(f"{preset.id}: left out, {error}")
        return
    target = PRESET_PICTURES / f"{preset.id}.webp"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(services.thumbnails.of(picture).read_bytes())
    print(f"{preset.id}: {target.relative_to(BUNDLED_PRESETS.parent)}")


def _draw(services: Services, preset: Preset | None, values: dict[str, object]) -> Path:
    resolved = resolve(models=services.models, preset=preset, values=values)
    job = services.orchestrator.submit(resolved.request, resolved.record)
    return services.orchestrator.wait(job.id).files[0]


def _half(picture: Path, mask: Path) -> None:
    from PIL import Image

    with Image.open(picture) as shown:
        white = Image.new("L", shown.size)
        white.paste(255, (0, 0, shown.width // 2, shown.height))
    white.save(mask)


if __name__ == "__main__":
    sys.exit(main())
