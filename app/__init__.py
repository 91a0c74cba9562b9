"""The product: settings, models, presets, history, the orchestrator and the faces. Never imports torch."""

from engines import __version__

__all__ = ["__version__"]
