"""ControlNets through A1111's dialect and Easel's own, with a tiny network for the starter model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import webuiapi
from PIL import Image

from app.paths import STARTER
from tests.app.http.conftest import Served
from tests.app.http.test_a1111 import SMALL, png


@pytest.fixture(scope="module")
def net(served: Served) -> Iterator[Path]:
    from diffusers import UNet2DConditionModel

    from engines.tiny_addons import make_tiny_controlnet

    folder = next(path for path in sorted(STARTER.rglob("unet")) if path.is_dir())
    path = served.home / "data" / "models" / "controlnet" / "lines.safetensors"
    yield make_tiny_controlnet(UNet2DConditionModel.from_pretrained(folder), path)
    path.unlink()


def test_a1111s_client_follows_a_picture(served: Served, net: Path) -> None:
    api = webuiapi.WebUIApi(port=served.port)
    served.http.post("/sdapi/v1/refresh-checkpoints")
    assert served.http.get("/controlnet/model_list").json() == {"model_list": ["lines"]}
    assert "canny" in served.http.get("/controlnet/module_list").json()["module_list"]
    picture = Image.radial_gradient("L").convert("RGB")
    unit = webuiapi.ControlNetUnit(
        image=picture, module="canny", model="lines [0123abcd]", threshold_a=20, threshold_b=40
    )
    made = api.txt2img(prompt="a red apple", seed=7, controlnet_units=[unit], **SMALL)
    # The client keeps the scripts of a call for the next one, unless it is given others.
    plain = api.txt2img(prompt="a red apple", seed=7, alwayson_scripts={}, **SMALL)
    assert made.image.tobytes() != plain.image.tobytes()
    assert 'ControlNet 0: "Module: canny, Model: lines, Weight: 1,' in made.info["infotexts"][0]


def test_our_own_api_takes_pictures_as_bytes_and_no_paths(served: Served, net: Path) -> None:
    wish = {"prompt": "a red apple", "seed": 7, **SMALL}
    served.http.post("/sdapi/v1/refresh-checkpoints")
    answer = served.http.post("/api/jobs", json={"request": {**wish, "controls": [{"file": "lines", "image": png()}]}})
    assert answer.status_code in (200, 201, 202), answer.text
    assert answer.json()["request"]["controls"][0]["image"].startswith("sha256:")
    refused = served.http.post(
        "/api/jobs", json={"request": {**wish, "controls": [{"file": "lines", "image": "/etc/hostname"}]}}
    )
    assert refused.status_code == 400
