"""Admission: whether a wish can be done here, found out before it is queued."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from app.addons import addon_files
from app.inputs import InputStore
from app.logs import keep_out
from app.models import ModelStore
from app.outputs import OutputStore
from app.places import check_output_place
from app.planning import Planner
from app.validate import validate
from app.wildcards import WildcardStore
from engines.api import GenerationRequest, ModelRecord, Plan, family_of


class Admission:
    """Checks a wish against its family's limits, the disk, the files that it names and the memory."""

    def __init__(
        self,
        models: ModelStore,
        inputs: InputStore,
        outputs: OutputStore,
        staging: Path,
        wildcards: WildcardStore | None,
        planner: Planner | None,
    ) -> None:
        self._models, self._inputs, self._outputs, self._staging = models, inputs, outputs, staging
        self._wildcards, self._planner = wildcards, planner

    def admit(self, request: GenerationRequest, record: ModelRecord, out: Path | None) -> GenerationRequest:
        """The request as it will be made: its wildcards drawn, its pictures kept by us.

        Raises `UserError` or `ResourceError` with a way out; no picture is kept then.
        """
        validate(request, family_of(record), self._inputs.path_of)
        size = self._planner.file_size(request) if self._planner is not None else None
        check_output_place(out or self._outputs.folder, request, size, self._staging)
        if self._wildcards is not None:
            request = self._wildcards.settle(request)
            keep_out(*itertools.chain(*request.texts))
        plan_or_refuse(self._planner, request, record, addon_files(request, record, self._models))
        return self._keep_inputs(request)

    def _keep_inputs(self, request: GenerationRequest) -> GenerationRequest:
        kept = {name: self._inputs.keep(value, name) for name, value in request.inputs.items()}
        return request.with_inputs(kept)


def plan_or_refuse(
    planner: Planner | None, request: GenerationRequest, record: ModelRecord, files: Mapping[str, Path]
) -> Plan | None:
    """How the model is to be held; None where no model is needed or another computer plans.

    Raises `ResourceError("memory-too-small")` before anything is loaded.
    """
    if planner is None or not request.needs_model:
        return None
    return planner.check(request, record, files)
