"""What a face is given: the parts of the product, put together once."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from app.api_switch import ApiSwitch, Wanted
from app.dialogs import Dialogs
from app.download import Downloader
from app.drafts import DraftStore
from app.history import HistoryStore
from app.inputs import InputStore
from app.library.keeper import Keeper
from app.models import ModelStore
from app.orchestrator import Orchestrator
from app.outputs import OutputStore
from app.paths import Paths
from app.planning import Planner
from app.presets import PresetStore
from app.settings import Settings, SettingsStore
from app.thumbnails import ThumbnailStore
from engines.api import use_language


@dataclass(frozen=True)
class Services:
    """The bundle; a context manager that ends the engine when the face is done."""

    paths: Paths
    settings_store: SettingsStore
    models: ModelStore
    downloads: Downloader
    presets: PresetStore
    inputs: InputStore
    drafts: DraftStore
    history: HistoryStore
    thumbnails: ThumbnailStore
    outputs: OutputStore
    orchestrator: Orchestrator
    keeper: Keeper
    planner: Planner
    api: ApiSwitch = field(default_factory=ApiSwitch)
    dialogs: Dialogs = field(default_factory=Dialogs)

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.settings_store.current

    def change_settings(self, **changes: object) -> Settings:
        """Save changed settings and let them hold from the next job and the next message on. Raises `UserError`."""
        settings = self.settings_store.change(**changes)
        apply_settings(settings, self.paths, self.outputs, self.history, self.orchestrator)
        self.api.follow(Wanted.of(settings))
        return settings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the engine and give files and locks back."""
        self.api.close()
        self.keeper.close()
        self.downloads.close()
        self.orchestrator.close()
        self.history.close()


def apply_settings(
    settings: Settings, paths: Paths, outputs: OutputStore, history: HistoryStore, orchestrator: Orchestrator
) -> None:
    """Tell the parts what the settings mean for them."""
    use_language(settings.language)
    outputs.folder = history.outputs = settings.output_folder or paths.outputs
    history.folders = tuple(settings.history_folders)
    orchestrator.save_metadata = settings.save_metadata
