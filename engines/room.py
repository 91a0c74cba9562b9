"""A disk without room, said in one way wherever it is met."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines.errors import ResourceError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Around whatever writes into `folder`, which may not be there yet.

    Raises `ResourceError("no-room-while-made")` with what is free; other errors pass as they are.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise ResourceError(
            "no-room-while-made", folder=str(folder), why=error.strerror or str(error), free=_free(folder)
        ) from error


def _free(folder: Path) -> str:
    there = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    with suppress(OSError):
        if there is not None:
            return f"{shutil.disk_usage(there).free / 1e6:.1f} MB"
    return "an unknown part"
