"""The ways to start the API: alone as scripts for A1111 do, beside the page, with a key; and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.bootstrap import build_services
from app.http.server import ApiServer
from app.paths import ROOT, Paths
from engines.api import ResourceError


def started(home: Path, *words: str, script: str = "", places: tuple[Path, ...] = ()) -> subprocess.Popen[str]:
    path = os.pathsep.join(map(str, (*places, ROOT)))
    environment = {**os.environ, "EASEL_HOME": str(home), "PYTHONPATH": path, "BROWSER": "true"}
    command = [sys.executable, script] if script else [sys.executable, "-P", "-m", "app"]
    return subprocess.Popen(
        [*command, *words], env=environment, cwd=home.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_webui_with_the_flags_of_other_scripts(tmp_path: Path) -> None:
    port = free_port()
    flags = ("--api", "--nowebui", "--port", str(port), "--api-auth", "me:secret", "--medvram")
    process = started(tmp_path / "home", *flags, script=str(ROOT / "webui.py"))
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
        get = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False).get
        assert get("/sdapi/v1/sd-models").status_code == 401
        assert get("/sdapi/v1/sd-models", auth=("me", "secret")).json()[0]["title"] == "Starter"
        assert get("/sdapi/v1/sd-models", auth=("me", "wrong")).status_code == 401
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "--medvram changes nothing here" in errors


@pytest.mark.long
def test_the_api_beside_the_page(tmp_path: Path) -> None:
    port = free_port()
    process = started(tmp_path / "home", "ui", "--browser", "--api", "--port", str(port))
    try:
        assert process.stdout is not None
        page = process.stdout.readline().strip()
        assert page.startswith("http://127.0.0.1:")
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"http://127.0.0.1:{port}/v1/models").json()["data"][0]["id"] == "starter"
            assert client.get(f"http://127.0.0.1:{port}/easel/history").status_code == 404
            assert client.get(f"{page.partition('/?')[0]}/v1/models").status_code == 403
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


BREAKING = """
import sys

class Breaker:
    def find_spec(self, name, path=None, target=None):
        if name == "app.http.app":
            raise RuntimeError("no door for the test")

sys.meta_path.insert(0, Breaker())
"""


def test_a_door_that_cannot_be_built_is_said_in_a_window_that_opens(tmp_path: Path) -> None:
    """A module of the HTTP door breaks at its import: the page is there, says it, and the log has it once."""
    broken, home = tmp_path / "broken", tmp_path / "home"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(BREAKING)
    process = started(home, "ui", "--browser", "--api", "--port", "0", places=(broken,))
    try:
        assert process.stdout is not None
        page = process.stdout.readline().strip()
        assert page.startswith("http://127.0.0.1:"), "the window's page is served"
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as client:
            assert client.get(page).status_code == 200
            found = client.get(f"{page.partition('/?')[0]}/easel/status").json()["problems"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    said = [each for each in found if each["code"] == "api-not-started"]
    assert len(said) == 1 and "RuntimeError: no door for the test" in said[0]["cause"] and said[0]["fixes"]
    logged = (home / "logs" / "easel.log").read_text()
    assert logged.count("the API could not be started") == 1


@pytest.mark.parametrize("words", [("serve", "--listen"), ("ui", "--nowebui", "--listen")])
def test_other_computers_are_not_let_in_without_a_key(tmp_path: Path, words: tuple[str, ...]) -> None:
    _, errors = started(tmp_path / "home", *words).communicate(timeout=60)
    assert errors.startswith("api-key-needed")


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = started(tmp_path / "home", "serve", "--port", str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert errors.startswith("port-taken")


def test_a_changed_server_stays_where_programs_look_for_it(tmp_path: Path) -> None:
    with build_services(Paths.below(tmp_path / "home")) as services:
        server = ApiServer(services, 0)
        server.start()
        with httpx.Client(base_url=server.address, trust_env=False) as client:
            assert client.get("/api/styles").status_code == 200
            server.stop()  # the server's side of the connection lingers for a minute
            again = ApiServer(services, server.port, exact=True, key="k")
            again.start()
        assert httpx.get(f"{again.address}/api/styles", trust_env=False).status_code == 401
        with pytest.raises(ResourceError) as caught:
            ApiServer(services, again.port, exact=True)
        assert caught.value.code == "port-taken"
        beside = ApiServer(services, again.port)
        assert beside.port != again.port
        beside.stop()
        again.stop()
