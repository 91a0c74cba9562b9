"""The debug report: what helps to find a fault, without what says who somebody is or what they drew."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app import machine
from app.files import write_atomic
from app.identity import identity
from app.jobs import Failed, Interrupted, Job, state_name
from app.ledger import JobLedger
from app.paths import Paths
from app.redact import redact, redact_tree
from app.settings import Settings
from engines.api import EaselError, ModelRecord, UserError

log = logging.getLogger(__name__)

LOG_BYTES = 400_000  # of the end of each log; about 4,000 lines
JOBS, ERRORS = 500, 20


@dataclass(frozen=True)
class Report:
    """The finished files of a report by name, to be shown before `save`."""

    files: dict[str, str]

    def save(self, path: Path) -> Path:
        """Write the report as a zip file. Raises `UserError("report-not-saved")`."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self.files.items():
                archive.writestr(name, text)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, buffer.getvalue())
        except OSError as error:
            raise UserError("report-not-saved", path=str(path), why=error.strerror or str(error)) from error
        return path


def build_report(paths: Paths, settings: Settings, models: Iterable[ModelRecord], jobs: Sequence[Job] = ()) -> Report:
    """Gather everything and redact it. What cannot be read is named in its place: a report never fails half-way."""
    who = identity(prompt for job in jobs for prompt in (job.request.prompt, job.request.negative_prompt))
    content: dict[str, Any] = {
        "environment.json": {**machine.environment(), **_hardware(paths)},
        "settings.json": _settings(settings),
        "models.json": [_model(record) for record in models],
        "errors.json": _errors(jobs),
    }
    files = {name: json.dumps(redact_tree(data, who), indent=1, ensure_ascii=False) for name, data in content.items()}
    return Report(files | {f"logs/{path.name}": redact(_tail(path), who) for path in _log_files(paths)})


def read_jobs(paths: Paths) -> tuple[Job, ...]:
    """The newest jobs; none when there is no ledger or when it cannot be read, which a report must survive."""
    if not paths.ledger.exists():
        return ()
    try:
        ledger = JobLedger(paths.ledger)
        try:
            return ledger.latest(JOBS)
        finally:
            ledger.close()
    except (EaselError, OSError, ValueError, KeyError, TypeError, sqlite3.Error):
        log.warning("the ledger cannot be read", exc_info=True)  # it may be the very reason for the report
        return ()


def _hardware(paths: Paths) -> dict[str, Any]:
    try:
        cards: Any = [asdict(card) for card in machine.gpus()]
    except (OSError, subprocess.SubprocessError) as error:
        cards = f"nvidia-smi failed: {type(error).__name__}"
    free = {"data": machine.free_disk(paths.data), "outputs": machine.free_disk(paths.outputs)}
    return {"gpus": cards, "memory": asdict(machine.memory()), "free_disk": free}


def _settings(settings: Settings) -> dict[str, Any]:
    """The difference from the defaults; of folders only that they are set, and how many."""
    changed = settings.changed()
    if "output_folder" in changed:
        changed["output_folder"] = "(set)"
    if "model_folders" in changed:
        changed["model_folders"] = f"({len(settings.model_folders)} set)"
    return changed


def _model(record: ModelRecord) -> dict[str, Any]:
    return {"id": record.id, "family": record.family, "bytes": record.weight_bytes, "fingerprint": record.fingerprint}


def _errors(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    return [
        {
            "job": job.id,
            "created": job.created,
            "state": state_name(job.state),
            "task": str(job.request.task),
            "size": f"{job.request.width}x{job.request.height}",
            "error": asdict(job.state.error),
        }
        for job in jobs
        if isinstance(job.state, Failed | Interrupted)
    ][:ERRORS]


def _log_files(paths: Paths) -> list[Path]:
    return sorted(path for path in paths.logs.glob("*.log*") if path.is_file())[:6]


def _tail(path: Path) -> str:
    """The end of a log, from the start of a line on."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            cut, data = file.tell() > 0, file.read()
    except OSError as error:
        return f"could not be read: {error.strerror}"
    text = data.decode("utf-8", "replace")
    return text.partition("\n")[2] if cut else text
