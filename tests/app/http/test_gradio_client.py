"""Gradio's own client: it is refused without the window's cookie, and with it finds nothing that it could call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.paths import ROOT


@pytest.mark.long
def test_gradio_client_is_refused_politely_and_finds_no_endpoint(tmp_path: Path) -> None:
    import gradio_client

    environment = {**os.environ, "EASEL_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "BROWSER": "true"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "ui", "--browser"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        place = address.partition("/?")[0]
        refused = httpx.get(f"{place}/config", trust_env=False)
        assert (refused.status_code, "window" in refused.text) == (403, True)
        with pytest.raises(Exception, match=r"403|Could not fetch"):
            gradio_client.Client(place, verbose=False)
        cookie = httpx.get(address, trust_env=False).headers["set-cookie"].partition(";")[0]
        headers = {"Cookie": cookie, "Origin": place}
        client = gradio_client.Client(place, headers=headers, verbose=False)
        shown = client.view_api(return_format="dict", print_info=False)
        assert shown == {"named_endpoints": {}, "unnamed_endpoints": {}}
        assert httpx.get(f"{place}/gradio_api/mcp/", headers=headers, trust_env=False).status_code in (404, 405)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
