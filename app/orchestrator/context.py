"""What a job is given when it begins: a folder of its own, its files, its plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.addons import addon_files
from app.inputs import InputStore
from app.jobs import Job
from app.models import ModelStore
from app.orchestrator.admission import plan_or_refuse
from app.paths import HOME_VARIABLE
from app.planning import Planner
from engines.api import Artifact, CancelToken, ModelRecord, Plan, Progress, RunContext, UserError, room_in


class Contexts:
    """Makes the `RunContext` of each job, with what is true at its beginning: files and memory may be others by then."""

    def __init__(self, models: ModelStore, inputs: InputStore, planner: Planner | None, staging: Path) -> None:
        self._models, self._inputs, self._planner, self._staging = models, inputs, planner, staging

    def of(
        self,
        job: Job,
        record: ModelRecord,
        token: CancelToken,
        with_metadata: bool,
        on_progress: Callable[[Progress, Plan | None], None],
        on_artifact: Callable[[Artifact], None],
    ) -> RunContext:
        """Raises `UserError` for a file or folder that is gone, `ResourceError` for want of room or memory."""
        request = job.request
        staging = self._make_folder(job.id)
        files = addon_files(request, record, self._models)
        plan = plan_or_refuse(self._planner, request, record, files)
        return RunContext(
            staging=staging,
            inputs={name: self._inputs.path_of(value) for name, value in request.inputs.items()},
            files=files,
            token=token,
            on_progress=lambda progress: on_progress(progress, plan),
            on_artifact=on_artifact,
            first_image=len(job.artifacts),
            with_metadata=with_metadata,
            plan=plan,
        )

    def folder(self, job_id: str) -> Path:
        """The folder that the job is made in."""
        return self._staging / job_id

    def _make_folder(self, job_id: str) -> Path:
        """Raises `ResourceError("no-room-while-made")` and `UserError("folder-unwritable")`."""
        staging = self.folder(job_id)
        try:
            with room_in(staging):
                staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise UserError("folder-unwritable", folder=str(staging), why=why, variable=HOME_VARIABLE) from error
        return staging
