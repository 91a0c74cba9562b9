"""Import Gradio without its stub generator, which takes half of the import's time and writes into site-packages.

Gradio writes a `.pyi` file beside each component as it is imported (`gradio.component_meta.create_or_modify_pyi`, 0.7
of 1.6 CPU seconds with Gradio 6.31). It serves editors, not users, and a frozen bundle has no sources to read.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

MODULE, FUNCTION = "gradio.component_meta", "create_or_modify_pyi"
# Gradio and the hub client read these while they are imported; nothing may call home or share.
FORCED = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def prepare(temporary: Path) -> None:
    """Scrub the environment and arm the finder; call before anything imports Gradio. `temporary` is for uploads."""
    for name in [name for name in os.environ if name.startswith(("GRADIO_", "HF_", "HUGGING_FACE_"))]:
        del os.environ[name]
    os.environ.update({**FORCED, "GRADIO_TEMP_DIR": str(temporary)})
    if not any(isinstance(finder, _NoStubs) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NoStubs())


class _NoStubs:
    """Finds one module as usual and replaces one function of it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            setattr(module, FUNCTION, lambda *_arguments, **_named: None)

        spec.loader.exec_module = exec_module  # pyright: ignore
        return spec
