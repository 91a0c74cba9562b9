"""Whole conversations as Open WebUI and SillyTavern have them: the calls in their order, bodies and headers as they send them."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.app.http.conftest import Served
from tests.app.http.test_a1111 import SILLY_TAVERN, png

# Open WebUI without a password sends an empty header, SillyTavern the Basic form of nothing, both without blanks at the end.
OPEN_WEBUI, SILLY = {"authorization": ""}, {"Authorization": "Basic"}


def answered(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_open_webui_with_its_a1111_engine(served: Served) -> None:
    def get(path: str) -> Any:
        return answered(served.http.get(f"/sdapi/v1/{path}", headers=OPEN_WEBUI))

    models = [{"id": each["title"], "name": each["model_name"]} for each in get("sd-models")]
    assert models == [{"id": "Starter", "name": "starter"}]
    # It sets a model by reading all options and sending all of them back.
    options = get("options")
    options["sd_model_checkpoint"] = models[0]["id"]
    assert answered(served.http.post("/sdapi/v1/options", json=options, headers=OPEN_WEBUI)) is None
    assert get("options")["sd_model_checkpoint"] == models[0]["id"]
    # Its own parameters are laid over the body: the person's settings of the engine.
    extra = {"cfg_scale": 4, "sampler_name": "Euler a", "scheduler": "Karras"}
    body = {
        "prompt": "a cat",
        "batch_size": 2,
        "width": 64,
        "height": 64,
        "steps": 2,
        "negative_prompt": "dog",
        **extra,
    }
    found = answered(served.http.post("/sdapi/v1/txt2img", json=body, headers=OPEN_WEBUI))
    assert [base64.b64decode(each)[:4] for each in found["images"]] == [b"\x89PNG"] * 2
    assert json.loads(found["info"])["sampler_name"] == "Euler a"
    # Nothing but a prompt, a size and a number, when the person left the rest empty.
    bare = {"prompt": "a cat", "batch_size": 1, "width": 64, "height": 64}
    assert len(answered(served.http.post("/sdapi/v1/txt2img", json=bare, headers=OPEN_WEBUI))["images"]) == 1


@pytest.mark.parametrize("field", ["image", "image[]"])
def test_open_webui_with_its_openai_engine(served: Served, field: str) -> None:
    headers = {"Authorization": "Bearer"}
    body = {"model": "dall-e-2", "prompt": "a cat", "n": 1, "size": "64x64", "response_format": "b64_json"}
    made = answered(served.http.post("/v1/images/generations?api-version=2025-01-01", json=body, headers=headers))
    picture = base64.b64decode(made["data"][0]["b64_json"])
    # Edits are forms; numbers come as texts, and the field has two names.
    form = {"model": "gpt-image-1", "prompt": "a dog", "n": "1", "size": "64x64", "response_format": "b64_json"}
    files = [(field, ("generated.png", picture, "image/png"))] * (2 if field.endswith("[]") else 1)
    edited = answered(served.http.post("/v1/images/edits", data=form, files=files, headers=headers))
    assert base64.b64decode(edited["data"][0]["b64_json"]) != picture


def test_silly_tavern(served: Served) -> None:
    def get(path: str) -> Any:
        return answered(served.http.get(f"/sdapi/v1/{path}", headers=SILLY))

    assert "sd_model_checkpoint" in get("options"), "its ping"
    assert "forge_preset" not in get("options"), "or it would send Forge's modules along"
    upscalers = [each["name"] for each in get("upscalers")]
    latent = [each["name"] for each in get("latent-upscale-modes")]
    assert upscalers[0] == "None" and "Latent" in latent, "it puts the latent ones behind the first"
    assert isinstance(get("sd-vae"), list)
    assert served.http.get("/sdapi/v1/sd-modules", headers=SILLY).status_code == 404, "Forge's list; it takes either"
    samplers = [each["name"] for each in get("samplers")]
    schedulers = [each["name"] for each in get("schedulers")]
    chosen = {"sd_model_checkpoint": get("sd-models")[0]["title"]}
    assert answered(served.http.post("/sdapi/v1/options", json=chosen, headers=SILLY)) is None
    progress = get("progress")
    assert (progress["progress"], progress["state"]["job_count"]) == (0.0, 0), "it polls until it is so"
    # Any of the names that it was given may come back; the face fixer of an extension is asked for and not there.
    for sampler, scheduler, upscaler in (
        (samplers[0], schedulers[0], latent[0]),
        (samplers[1], "karras", upscalers[1]),
    ):
        wish = {
            **SILLY_TAVERN,
            "sampler_name": sampler,
            "scheduler": scheduler,
            "hr_upscaler": upscaler,
            "enable_hr": True,
            "hr_scale": 1.5,
            "hr_second_pass_steps": 2,
            "steps": 2,
            "override_settings": {"CLIP_stop_at_last_layers": 1},
            "alwayson_scripts": {"ADetailer": {"args": [True, True, {"ad_model": "face_yolov8n.pt"}]}},
        }
        found = answered(served.http.post("/sdapi/v1/txt2img", json=wish, headers=SILLY))
        assert base64.b64decode(found["images"][0]).startswith(b"\x89PNG")
    assert answered(served.http.post("/sdapi/v1/interrupt", headers=SILLY)) == {}


def test_a_key_goes_in_by_their_ways(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Open WebUI has a field "user:password" for A1111 and a key for OpenAI; SillyTavern has "user:password"."""
    served = Served(tmp_path_factory.mktemp("keyed") / "home", "--key", "me:secret")
    try:
        basic = {"Authorization": "Basic " + base64.b64encode(b"me:secret").decode()}
        assert served.http.get("/sdapi/v1/options", headers=basic).status_code == 200
        assert served.http.get("/v1/models", headers={"Authorization": "Bearer me:secret"}).status_code == 200
        refused = served.http.post("/sdapi/v1/png-info", json={"image": png()}, headers=SILLY)
        assert (refused.status_code, "key" in refused.json()["detail"]) == (401, True)
    finally:
        assert served.stop() == 0
