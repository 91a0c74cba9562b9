"""The product: settings, models, presets, history, the orchestrator and the faces. Never imports torch."""

__version__ = "0.1.0"
