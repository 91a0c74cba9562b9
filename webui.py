"""The entry that people know from other programs: `python webui.py` opens Easel."""

from __future__ import annotations

import sys

from app.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["ui", *sys.argv[1:]]))
