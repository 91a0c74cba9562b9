"""A1111's dialect, asked by its own client from PyPI and by bodies as other programs send them."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from typing import Any

import pytest
import webuiapi
from PIL import Image

from tests.app.http.conftest import Served

SMALL = {"width": 64, "height": 64, "steps": 4}


@pytest.fixture(scope="module")
def api(served: Served) -> webuiapi.WebUIApi:
    return webuiapi.WebUIApi(port=served.port)


def png(colour: str = "red", size: tuple[int, int] = (64, 64)) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_txt2img(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(prompt="a red apple", negative_prompt="blue", seed=7, cfg_scale=3, batch_size=2, **SMALL)
    assert [picture.size for picture in found.images] == [(64, 64), (64, 64)]
    assert found.info["all_seeds"] == [7, 8]
    assert found.info["infotexts"][0].startswith("a red apple\nNegative prompt: blue\nSteps: 4, Sampler: Euler a")
    assert found.images[0].info["parameters"] == found.info["infotexts"][0]
    assert found.parameters["prompt"] == "a red apple"
    again = api.txt2img(prompt="a red apple", negative_prompt="blue", seed=8, cfg_scale=3, **SMALL)
    assert again.image.tobytes() == found.images[1].tobytes()


def test_styles_and_chance_in_prompts(api: webuiapi.WebUIApi, served: Served) -> None:
    styles = served.home / "data" / "styles"
    styles.mkdir(parents=True, exist_ok=True)
    (styles / "styles.csv").write_text('name,prompt,negative_prompt\nFilm,"grain, {prompt}",sharp\n', encoding="utf-8")
    assert {"Film", "Watercolour"} <= {each["name"] for each in api.get_prompt_styles()}
    found = api.txt2img(prompt="a {red|blue|green|old} apple", styles=["Film", "none"], seed=7, batch_size=2, **SMALL)
    (styles / "styles.csv").unlink()
    assert all(each.startswith("grain, a ") and "{" not in each for each in found.info["all_prompts"])
    assert found.info["all_negative_prompts"] == ["sharp", "sharp"]
    assert [text.split("\n")[0] for text in found.info["infotexts"]] == found.info["all_prompts"]


def test_img2img_and_inpainting(api: webuiapi.WebUIApi) -> None:
    start = Image.new("RGB", (64, 64), "blue")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    plain = api.img2img(images=[start], prompt="a cat", denoising_strength=0.6, seed=1, **SMALL)
    assert plain.image.size == (64, 64)
    assert (plain.parameters["init_images"], plain.parameters["mask"]) == (None, None)
    painted = api.img2img(
        images=[start], mask_image=mask, mask_blur=0, prompt="a cat", denoising_strength=0.8, seed=1, **SMALL
    )
    assert painted.image.convert("RGB").getpixel((4, 30)) == (0, 0, 255)
    assert painted.image.convert("RGB").getpixel((60, 30)) != (0, 0, 255)
    turned = api.img2img(
        images=[start], mask_image=mask, mask_blur=0, inpainting_mask_invert=1, prompt="a cat", seed=1, **SMALL
    )
    assert turned.image.convert("RGB").getpixel((60, 30)) == (0, 0, 255)


def test_every_list_of_the_client(api: webuiapi.WebUIApi) -> None:
    assert {"Euler", "Euler a", "DPM++ 2M", "DPM++ SDE", "UniPC", "DDIM", "LCM"} <= set(api.util_get_sampler_names())
    assert {"automatic", "karras", "exponential", "sgm_uniform"} <= set(api.util_get_scheduler_names())
    assert api.util_get_model_names() == ["Starter"]
    assert api.get_sd_models()[0]["model_name"] == "starter"
    assert [each["name"] for each in api.get_upscalers()][:2] == ["None", "Lanczos"]
    assert api.get_latent_upscale_modes()[0]["name"] == "Latent"
    for empty in (
        api.get_sd_vae,
        api.get_loras,
        api.get_hypernetworks,
        api.get_face_restorers,
        api.get_realesrgan_models,
        api.get_artists,
        api.get_artist_categories,
    ):
        assert empty() == [], empty
    assert all({"name", "prompt", "negative_prompt"} == set(each) for each in api.get_prompt_styles())
    assert api.get_scripts() == {"txt2img": [], "img2img": []}
    assert api.get_embeddings() == {"loaded": {}, "skipped": {}}
    assert api.get_cmd_flags() == {}
    assert api.get_memory()["ram"]["total"] > 0
    assert api.refresh_checkpoints() is None


def test_options_in_part_and_as_a_whole(api: webuiapi.WebUIApi) -> None:
    assert api.util_get_current_model() == "Starter"
    api.util_set_model("starter")
    options = api.get_options()
    assert api.set_options({**options, "some_plugins_option": [1, {"a": 2}]}) is None
    assert api.get_options()["some_plugins_option"] == [1, {"a": 2}]
    assert api.set_options({"sd_model_checkpoint": "nobody.safetensors"})["detail"]
    assert api.util_get_current_model() == "Starter"


def test_progress_while_it_runs_and_interrupt(api: webuiapi.WebUIApi, served: Served) -> None:
    answers: list[Any] = []
    asked = {"prompt": "a fox", "seed": 1, "width": 64, "height": 64, "steps": 150, "batch_size": 8}
    thread = threading.Thread(target=lambda: answers.append(served.http.post("/sdapi/v1/txt2img", json=asked)))
    thread.start()
    deadline = time.monotonic() + 60
    seen: list[float] = []
    while len(seen) < 3 and time.monotonic() < deadline:
        now = api.get_progress()
        if 0 < now["progress"] < 1 and now["state"]["job_count"] and now["state"]["sampling_step"]:
            seen.append(now["progress"])
        time.sleep(0.02)
    assert len(seen) == 3
    assert api.interrupt() == {}
    thread.join(60)
    assert answers[0].status_code == 200
    assert len(answers[0].json()["images"]) < 8
    api.util_wait_for_ready(0.1)
    idle = api.get_progress()
    assert (idle["progress"], idle["state"]["job_count"]) == (0.0, 0)
    assert api.skip() == {}


def test_extras_and_png_info(api: webuiapi.WebUIApi, served: Served) -> None:
    assert api.extra_single_image(Image.new("RGB", (20, 10)), upscaling_resize=3).image.size == (60, 30)
    both = api.extra_batch_images([Image.new("RGB", (8, 8)), Image.new("RGB", (9, 9))], upscaler_1="Nearest")
    assert [picture.size for picture in both.images] == [(16, 16), (18, 18)]
    made = api.txt2img(prompt="a house", seed=5, **SMALL).image
    found = api.png_info(made)
    assert found.info.startswith("a house\nSteps: 4")
    assert (found.parameters["Prompt"], found.parameters["Seed"], found.parameters["Size-1"]) == ("a house", "5", "64")
    assert all(isinstance(value, str) for value in found.parameters.values())
    bare = served.http.post("/sdapi/v1/png-info", json={"image": "data:image/png;base64," + png()})
    assert (bare.status_code, bare.json()["info"]) == (200, "")
    assert served.http.post("/sdapi/v1/unload-checkpoint").status_code == 200
    assert served.http.post("/sdapi/v1/reload-checkpoint").status_code == 200


def test_what_cannot_be_is_said_in_its_shape(served: Served) -> None:
    post = served.http.post
    unknown = post("/sdapi/v1/txt2img", json={"prompt": "x", "sampler_name": "No such thing"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "Sampler not found")
    empty = post("/sdapi/v1/img2img", json={"prompt": "x"})
    assert (empty.status_code, empty.json()["detail"]) == (404, "Init image not found")
    model = post("/sdapi/v1/txt2img", json={"prompt": "x", "override_settings": {"sd_model_checkpoint": "nobody"}})
    assert (model.status_code, "nobody" in model.json()["detail"]) == (404, True)
    for image in ("http://127.0.0.1/x.png", "https://x.example/x.png", "file:///etc/passwd", "/etc/passwd", "%%%", ""):
        refused = post("/sdapi/v1/img2img", json={"prompt": "x", "init_images": [image], **SMALL})
        assert refused.status_code == 400, image
    huge = post("/sdapi/v1/txt2img", json={"prompt": "x", "width": 100_000, "height": 64})
    assert huge.status_code == 400
    assert post("/sdapi/v1/txt2img", json={"prompt": "x", "steps": "many"}).status_code == 422
    assert post("/sdapi/v1/txt2img", content=b"{").status_code == 422
    assert served.http.get("/sdapi/v1/nothing").status_code == 404


# As the programs build them: unknown keys, empty strings, nulls, an empty Authorization header.
OPEN_WEBUI = {"prompt": "a cat", "batch_size": 1, "width": 64, "height": 64, "steps": 4, "negative_prompt": None}
SILLY_TAVERN = {
    "url": "http://127.0.0.1:7860",
    "auth": "",
    "prompt": "a cat",
    "negative_prompt": "",
    "sampler_name": "DPM++ 2M Karras",
    "scheduler": "Karras",
    "steps": 4,
    "cfg_scale": 7,
    "width": 64,
    "height": 64,
    "restore_faces": False,
    "enable_hr": False,
    "hr_upscaler": "Latent",
    "hr_scale": 1,
    "hr_additional_steps": 0,
    "denoising_strength": 0.7,
    "clip_skip": 1,
    "save_images": True,
    "send_images": True,
    "do_not_save_grid": False,
    "do_not_save_samples": False,
    "seed": -1,
    "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic", "forge_additional_modules": []},
    "override_settings_restore_afterwards": True,
}
LIBRE_CHAT = {
    "prompt": "a cat",
    "negative_prompt": "low quality",
    "cfg_scale": 4.5,
    "steps": 4,
    "width": 64,
    "height": 64,
    "sampler_index": "Euler a",
}


@pytest.mark.parametrize("body", [OPEN_WEBUI, SILLY_TAVERN, LIBRE_CHAT])
def test_bodies_of_other_programs(served: Served, body: dict[str, Any]) -> None:
    answer = served.http.post("/sdapi/v1/txt2img", json=body, headers={"Authorization": ""})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert base64.b64decode(found["images"][0]).startswith(b"\x89PNG")
    info = json.loads(found["info"])
    assert (info["width"], info["height"], len(info["infotexts"])) == (64, 64, 1)
    assert isinstance(info["seed"], int)


def test_open_webui_sends_the_whole_options_back(served: Served) -> None:
    options = served.http.get("/sdapi/v1/options", headers={"Authorization": ""}).json()
    options["sd_model_checkpoint"] = "Starter"
    answer = served.http.post("/sdapi/v1/options", json=options, headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, None)


def test_odd_sizes_are_rounded(served: Served) -> None:
    answer = served.http.post("/sdapi/v1/txt2img", json={"prompt": "x", "width": 67, "height": 66, "steps": 2})
    info = json.loads(answer.json()["info"])
    assert (info["width"], info["height"]) == (64, 64)


def test_a_second_pass_draws_it_larger(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(prompt="a fox", seed=2, enable_hr=True, hr_scale=2, denoising_strength=0.5, **SMALL)
    assert found.image.size == (128, 128)
    assert "Hires upscale: 2" in found.info["infotexts"][0]
    unknown = api.session.post(
        f"{api.baseurl}/txt2img", json={"prompt": "x", "enable_hr": True, "hr_upscaler": "No such thing", **SMALL}
    )
    assert unknown.status_code == 400


def test_other_formats_when_a_client_asks(served: Served) -> None:
    body = {"prompt": "x", "override_settings": {"samples_format": "jpg"}, **SMALL}
    found = served.http.post("/sdapi/v1/txt2img", json=body).json()
    assert base64.b64decode(found["images"][0]).startswith(b"\xff\xd8")
    assert json.loads(found["info"])["infotexts"][0].startswith("x\nSteps: 4")


def test_a_busy_server_queues(served: Served) -> None:
    answers: list[int] = []

    def ask(seed: int) -> None:
        body = {"prompt": "a star", "seed": seed, **SMALL}
        answers.append(served.http.post("/sdapi/v1/txt2img", json=body).status_code)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answers == [200] * 6
