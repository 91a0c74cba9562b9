"""Where the frozen program begins: a worker process goes its own way first, everybody else gets Easel."""

from __future__ import annotations

import multiprocessing
import sys

if __name__ == "__main__":
    multiprocessing.freeze_support()  # a spawned worker is this same program; this call does not return there
    from app.__main__ import main

    sys.exit(main())
