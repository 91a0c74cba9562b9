"""Fuzz what reads strangers' bytes, guided by coverage (atheris, extra `fuzz`).

    ./.venv/bin/python tools/fuzz.py words 60     # one target, so many seconds
    ./.venv/bin/python tools/fuzz.py all 300      # each of them, one after the other

What is found lies in the folder that is named at the end; a small form of it belongs into tests/fuzz/corpus, where every test
run replays it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST = 4096  # bytes of an input: bugs of parsers are small


def main(arguments: list[str]) -> int:
    """Run a target, or all; returns 1 when something was found."""
    sys.path.insert(0, str(ROOT))
    name, seconds = arguments[0], int(arguments[1]) if len(arguments) > 1 else 60
    if name != "all":
        return run(name, seconds)
    from tests.fuzz.targets import TARGETS

    command = [sys.executable, str(Path(__file__).resolve())]
    return max(subprocess.run([*command, each, str(seconds)], check=False).returncode != 0 for each in TARGETS)


def run(name: str, seconds: int) -> int:
    """One target, begun from its corpus; new inputs go into a folder of their own."""
    import atheris

    logging.disable(logging.WARNING)  # thousands of files are complained of a second
    with atheris.instrument_imports(  # pyright: ignore
        include=["app", "engines", "json", "yaml", "PIL"]
    ):
        from tests.fuzz.targets import CORPUS, feed

    found = Path(tempfile.mkdtemp(prefix=f"easel-fuzz-{name}-"))
    (found / "new").mkdir()
    known = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    limits = [f"-max_total_time={seconds}", f"-max_len={MOST}", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=1"]
    print(f"{name}: {found}", file=sys.stderr)
    atheris.Setup(
        [name, *limits, f"-artifact_prefix={found}/", str(found / "new"), *known], lambda data: feed(name, data)
    )
    atheris.Fuzz()  # leaves by itself
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
