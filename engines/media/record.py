"""Our own record: the whole request, the model and the software, for an exact replay and for telling two files apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engines.records import ModelRecord
from engines.types import GenerationRequest

# Never "prompt", "workflow" or "Comment": readers take those for others'.
INFOTEXT_KEY, RECORD_KEY = "parameters", "easel"
RECORD_VERSION = 1


def full_record(
    request: GenerationRequest, record: ModelRecord, facts: Mapping[str, str], notes: Sequence[str] = ()
) -> str:
    """Our own record as JSON: request, model and software. It names no path of the person's computer.

    `weights` holds the sha256 of each weight file that is known when the picture is saved; `notes` are there when
    something was done otherwise than asked, to get the picture at all.
    """
    model = {"id": record.id, "title": record.title, "family": record.family, "fingerprint": record.fingerprint}
    if record.eight_bits:
        model["precision"] = "fp8"
    content = {
        "schema_version": RECORD_VERSION,
        "request": request.model_dump(mode="json"),
        "model": model,
        "weights": dict(record.hashes),
        "software": dict(facts),
        **({"notes": list(notes)} if notes else {}),
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True)
