"""The plain script that a start is compared with: from nothing to a saved picture, with diffusers and nothing of Easel.

Run as a file: `python script.py '{"folder": ..., "pipeline": ..., "sampler": [class, config], "call": {...}, "out": ...}'`.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Load, draw, save, in as few lines as the library's guide needs."""
    wish = json.loads(sys.argv[1])
    import diffusers
    import torch

    pipeline_class = getattr(diffusers, wish["pipeline"])
    pipe = pipeline_class.from_pretrained(wish["folder"], dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    name, config = wish["sampler"]
    pipe.scheduler = getattr(diffusers, name).from_config(config)
    generator = torch.Generator().manual_seed(wish["seed"])
    pipe(**wish["call"], generator=generator).images[0].save(wish["out"])


if __name__ == "__main__":
    main()
