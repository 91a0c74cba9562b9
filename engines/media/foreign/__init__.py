"""What other programs write into files about how a picture was made, brought to the keys of A1111's infotext.

Each reader takes the texts of a file and answers with a `Foreign`, or None for what is not its program's. Whatever cannot
be understood is left out: an absent key means the default, and the raw text is shown beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from engines.media.foreign import comfy, fooocus, infotexts, invoke, novelai, swarm
from engines.media.foreign.values import Foreign

log = logging.getLogger(__name__)

# The order matters: several programs write a chunk called "parameters".
READERS: tuple[Callable[[Mapping[str, str]], Foreign | None], ...] = (
    swarm.read,
    fooocus.read,
    invoke.read,
    infotexts.read,
    comfy.read,
    novelai.read,
)


def understand(texts: Mapping[str, str]) -> Foreign | None:
    """What the texts of a file say; None when no program that is known here wrote them. Never raises."""
    for reader in READERS:
        try:
            found = reader(texts)
        except Exception as error:  # data of strangers: whatever it does to a reader, the file is shown
            log.info("a reader stumbled reader=%s why=%s", reader.__module__, type(error).__name__)
            continue
        if found is not None:
            return found
    return None


__all__ = ["Foreign", "understand"]
