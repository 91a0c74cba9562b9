"""The composition root: the only place that names concrete classes and puts them together."""

from __future__ import annotations

from app.engine_pool import EnginePool
from app.inputs import InputStore
from app.ledger import JobLedger
from app.logs import setup_logging
from app.models import ModelStore
from app.orchestrator import Orchestrator
from app.outputs import OutputStore
from app.paths import BUNDLED_PRESETS, STARTER, Paths
from app.presets import PresetStore
from app.services import Services
from app.settings import SettingsStore
from engines.api import WorkerEngine, local_engine


def build_services(paths: Paths | None = None, *, in_process: bool = False) -> Services:
    """Everything a face is given. `in_process` runs the engine in this process, for debugging."""
    paths = paths or Paths.default()
    paths.ensure()
    settings = SettingsStore(paths.settings_file).load()
    setup_logging(paths, settings)
    models = ModelStore((STARTER, paths.models, *settings.model_folders))
    inputs = InputStore(paths.inputs)
    outputs = OutputStore(settings.output_folder or paths.outputs)
    worker_log = paths.logs / "engine.log"
    pool = EnginePool(local_engine if in_process else lambda: WorkerEngine(worker_log))
    ledger = JobLedger(paths.ledger)
    orchestrator = Orchestrator(ledger, pool, models, inputs, outputs, paths.staging, settings.save_metadata)
    presets = PresetStore(BUNDLED_PRESETS, paths.presets)
    return Services(paths, settings, models, presets, inputs, outputs, orchestrator)
