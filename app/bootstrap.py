"""The composition root: the only place that names concrete classes and puts them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from app.download import Downloader
from app.drafts import DraftStore
from app.engine_pool import EnginePool, Lane
from app.history import HistoryStore, Recorder
from app.inputs import InputStore
from app.ledger import JobLedger
from app.library.keeper import Keeper
from app.logs import setup_logging
from app.measured import Measured
from app.models import ModelStore
from app.orchestrator import Orchestrator
from app.outputs import OutputStore
from app.paths import BUNDLED_PRESETS, STARTER, Paths
from app.planning import Planner
from app.presets import PresetStore
from app.services import Services, apply_settings
from app.settings import Settings, SettingsStore
from app.thumbnails import ThumbnailStore
from app.wildcards import WildcardStore
from engines.api import WorkerEngine, local_engine

LOOKED_AT = 50  # newest jobs whose files may not be listed, because a disk was full; 5 ms


def build_services(
    paths: Paths | None = None, *, in_process: bool = False, more_models: Sequence[Path] = (), lane: str = ""
) -> Services:
    """Everything a face is given. `in_process` runs the engine in this process, for debugging.

    `more_models` are folders with models for this start alone. `lane` names a cluster that jobs run on instead of this
    computer; its nodes plan for themselves.
    """
    paths = paths or Paths.default()
    paths.ensure()
    settings_store = SettingsStore(paths.settings_file)
    settings = settings_store.current
    setup_logging(paths, settings)
    models = open_models(paths, settings, more_models, lambda: settings_store.current)
    inputs = InputStore(paths.inputs)
    outputs = OutputStore(settings.output_folder or paths.outputs)
    worker_log = paths.logs / "engine.log"
    pool = EnginePool(local_engine if in_process else lambda: WorkerEngine(worker_log))
    lanes = _lanes(lane) or (pool,)
    ledger = JobLedger(paths.ledger)
    wildcards = WildcardStore(paths.wildcards)
    planner = Planner(
        Measured(paths.data / "measured.json"),
        lambda: settings_store.current.memory_limit,
        lambda: pool.held_memory,
    )
    orchestrator = Orchestrator(
        ledger,
        lanes[0],
        models,
        inputs,
        outputs,
        paths.staging,
        settings.save_metadata,
        wildcards=wildcards,
        planner=None if lane else planner,
        more_lanes=lanes[1:],
    )
    presets = PresetStore(BUNDLED_PRESETS, paths.presets)
    history = HistoryStore(paths.history, paths.favourites, outputs.folder)
    apply_settings(settings, paths, outputs, history, orchestrator)
    recorder = Recorder(history)
    orchestrator.subscribe(recorder.on_event)
    recorder.catch_up((*orchestrator.interrupted, *ledger.latest(LOOKED_AT)))
    return Services(
        paths=paths,
        settings_store=settings_store,
        models=models,
        downloads=Downloader(
            paths.downloads,
            lambda: settings_store.current.download_folder or paths.models,
            lambda: settings_store.current.hub_address,
            lambda _root: models.rescan(),
        ),
        presets=presets,
        inputs=inputs,
        drafts=DraftStore(paths.drafts),
        history=history,
        thumbnails=ThumbnailStore(paths.cache / "thumbnails"),
        outputs=outputs,
        orchestrator=orchestrator,
        keeper=Keeper(models, lambda: orchestrator.busy),
        planner=planner,
    )


def _lanes(address: str) -> tuple[Lane, ...]:
    if not address:
        return ()
    from app.cluster.connect import lanes_of

    return lanes_of(address)


def open_models(
    paths: Paths,
    settings: Settings,
    more: Sequence[Path] = (),
    current: Callable[[], Settings] | None = None,
) -> ModelStore:
    """The models of this computer, as far as the settings name their places. `current` are those that change meanwhile."""
    now = current or (lambda: settings)
    own = settings.download_folder or paths.models
    roots = (STARTER, *model_roots(paths, settings), *more)
    index = paths.cache / "models.sqlite3"
    models = ModelStore(roots, index, own, lambda: now().model_parts, lambda: now().eight_bits)
    models.preferred = settings.model
    return models


def model_roots(paths: Paths, settings: Settings) -> tuple[Path, ...]:
    """Folders with the person's models: the usual place, the one for new models, and those of other programs."""
    chosen = (settings.download_folder,) if settings.download_folder else ()
    return tuple(dict.fromkeys((paths.models, *chosen, *settings.model_folders)))
