"""Every method of A1111's client from PyPI, unmodified, its interfaces to extensions included: none is left out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import webuiapi
from PIL import Image, ImageOps

from tests.app.http.conftest import Served, in_own_loop
from tests.app.http.test_controlnet import net  # noqa: F401 (a fixture)

SMALL: Any = {"prompt": "a red apple", "seed": 7, "width": 64, "height": 64, "steps": 2}
PICTURE = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
Api = webuiapi.WebUIApi


@pytest.fixture(scope="module")
def api(served: Served) -> Api:
    return webuiapi.WebUIApi(port=served.port)


def is_list(found: Any) -> bool:
    return isinstance(found, list)


def drawn(found: Any) -> bool:
    return len(found.images) == 1 and found.image.size == (64, 64)


def later(api: Api, awaited: Callable[[], Any]) -> Any:
    """What an asynchronous call of the client comes to."""

    async def run() -> Any:
        return await awaited()

    return in_own_loop(run())


# Name of the method: how it is called, and what makes its answer a good one.
METHODS: dict[str, tuple[Callable[[Api], Any], Callable[[Any], bool]]] = {
    "txt2img": (lambda api: api.txt2img(**SMALL), drawn),
    "img2img": (lambda api: api.img2img(images=[PICTURE], **SMALL), drawn),
    "post_and_get_api_result": (
        lambda api: later(api, lambda: api.txt2img(use_async=True, **SMALL)),
        drawn,
    ),
    "async_post": (lambda api: later(api, lambda: api.img2img(images=[PICTURE], use_async=True, **SMALL)), drawn),
    "extra_single_image": (lambda api: api.extra_single_image(PICTURE), lambda found: found.image.size == (128, 128)),
    "extra_batch_images": (
        lambda api: api.extra_batch_images([PICTURE, PICTURE], name_list=["a", "b"]),
        lambda found: len(found.images) == 2,
    ),
    "png_info": (lambda api: api.png_info(PICTURE), lambda found: found.info == ""),
    "interrupt": (lambda api: api.interrupt(), lambda found: found == {}),
    "skip": (lambda api: api.skip(), lambda found: found == {}),
    "get_options": (lambda api: api.get_options(), lambda found: found["sd_model_checkpoint"] == "Starter"),
    "set_options": (lambda api: api.set_options(api.get_options()), lambda found: found is None),
    "get_cmd_flags": (lambda api: api.get_cmd_flags(), lambda found: found == {}),
    "get_progress": (lambda api: api.get_progress(), lambda found: 0 <= found["progress"] <= 1),
    "get_samplers": (lambda api: api.get_samplers(), lambda found: "Euler a" in [each["name"] for each in found]),
    "get_schedulers": (lambda api: api.get_schedulers(), lambda found: found[0]["name"] == "automatic"),
    "get_sd_vae": (lambda api: api.get_sd_vae(), is_list),
    "get_upscalers": (lambda api: api.get_upscalers(), lambda found: found[0]["name"] == "None"),
    "get_latent_upscale_modes": (lambda api: api.get_latent_upscale_modes(), is_list),
    "get_loras": (lambda api: api.get_loras(), is_list),
    "get_sd_models": (lambda api: api.get_sd_models(), lambda found: found[0]["model_name"] == "starter"),
    "get_hypernetworks": (lambda api: api.get_hypernetworks(), is_list),
    "get_face_restorers": (lambda api: api.get_face_restorers(), is_list),
    "get_realesrgan_models": (lambda api: api.get_realesrgan_models(), is_list),
    "get_prompt_styles": (lambda api: api.get_prompt_styles(), is_list),
    "get_artist_categories": (lambda api: api.get_artist_categories(), is_list),
    "get_artists": (lambda api: api.get_artists(), is_list),
    "refresh_checkpoints": (lambda api: api.refresh_checkpoints(), lambda found: found is None),
    "get_scripts": (lambda api: api.get_scripts(), lambda found: {"txt2img", "img2img"} == set(found)),
    "get_embeddings": (lambda api: api.get_embeddings(), lambda found: {"loaded", "skipped"} == set(found)),
    "get_memory": (lambda api: api.get_memory(), lambda found: found["ram"]["total"] > 0),
    "get_endpoint": (lambda api: api.get_endpoint("x", True), lambda found: found.endswith("/sdapi/v1/x")),
    "custom_get": (lambda api: api.custom_get("sdapi/v1/samplers"), is_list),
    "custom_post": (lambda api: api.custom_post("txt2img", SMALL, baseurl=True), drawn),
    "check_extensions": (lambda api: api.check_extensions(), lambda found: found is None),
    "set_auth": (lambda api: api.set_auth("anybody", "anything"), lambda found: found is None),
    "controlnet_version": (lambda api: api.controlnet_version(), lambda found: found == 2),
    "controlnet_model_list": (lambda api: api.controlnet_model_list(), lambda found: found == ["lines"]),
    "controlnet_module_list": (lambda api: api.controlnet_module_list(), lambda found: "canny" in found),
    "controlnet_detect": (
        lambda api: api.controlnet_detect([PICTURE], module="invert"),
        lambda found: found.image.getpixel((32, 32)) == tuple(255 - each for each in PICTURE.getpixel((32, 32))),
    ),
    "util_get_model_names": (lambda api: api.util_get_model_names(), lambda found: found == ["Starter"]),
    "util_get_sampler_names": (lambda api: api.util_get_sampler_names(), lambda found: "DDIM" in found),
    "util_get_scheduler_names": (lambda api: api.util_get_scheduler_names(), lambda found: "karras" in found),
    "util_set_model": (lambda api: api.util_set_model("starter"), lambda found: found is None),
    "util_get_current_model": (lambda api: api.util_get_current_model(), lambda found: found == "Starter"),
    "util_wait_for_ready": (lambda api: api.util_wait_for_ready(0.1), lambda found: found is None),
}
# These ask for what other programs' extensions and models do.
REFUSED: dict[str, Callable[[Api], Any]] = {
    "interrogate": lambda api: api.interrogate(PICTURE),
    "prompt_gen": lambda api: api.prompt_gen(text="a cat"),
    "RemBGInterface.rembg": lambda api: webuiapi.RemBGInterface(api).rembg(PICTURE),
    "InstructPix2PixInterface.img2img": lambda api: webuiapi.InstructPix2PixInterface(api).img2img([PICTURE], "x"),
    "TaggerInterface.tagger_interrogate": lambda api: webuiapi.TaggerInterface(api).tagger_interrogate(PICTURE),
}
# The client reads these answers without a look at their status; they are asked as it asks them.
REFUSED_PATHS: dict[str, tuple[str, str]] = {
    "list_prompt_gen_models": ("GET", "promptgen/list_models"),
    "ModelKeywordInterface.get_keywords": ("GET", "model_keyword/get_keywords"),
    "TaggerInterface.tagger_interrogators": ("GET", "tagger/v1/interrogators"),
    "SegmentAnythingInterface.heartbeat": ("GET", "sam/heartbeat"),
    "SegmentAnythingInterface.get_sam_models": ("GET", "sam/sam-model"),
    "SegmentAnythingInterface.sam_predict": ("POST", "sam/sam-predict"),
    "SegmentAnythingInterface.dino_predict": ("POST", "sam/dino-predict"),
    "SegmentAnythingInterface.dilate_mask": ("POST", "sam/dilate-mask"),
    "SegmentAnythingInterface.generate_semantic_segmentation": ("POST", "sam/controlnet-seg"),
    "SegmentAnythingInterface.sam_and_semantic_seg_with_cat_id": ("POST", "sam/category-mask"),
}


@pytest.fixture(scope="module", autouse=True)
def _a_network(net: Path) -> Iterator[None]:  # noqa: F811
    yield


@pytest.mark.parametrize("name", METHODS)
def test_a_method(api: Api, served: Served, name: str) -> None:
    if name.startswith("controlnet"):
        served.http.post("/sdapi/v1/refresh-checkpoints")
    call, good = METHODS[name]
    assert good(call(api)), name


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(api: Api, name: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        REFUSED[name](api)
    status, text = caught.value.args
    assert status in (400, 404)
    assert "Easel does not have" in text and '"detail"' in text


@pytest.mark.parametrize("name", REFUSED_PATHS)
def test_the_routes_of_extensions_say_so(api: Api, name: str) -> None:
    method, path = REFUSED_PATHS[name]
    answer = api.session.request(method, api.get_endpoint(path, False), json={})
    assert (answer.status_code, answer.json()["detail"][:19]) == (404, "Easel does not have")


@pytest.mark.parametrize("kind", ["txt2img", "img2img"])
def test_the_older_interface_to_controlnets(api: Api, served: Served, kind: str) -> None:
    served.http.post("/sdapi/v1/refresh-checkpoints")
    older = webuiapi.ControlNetInterface(api, show_deprecation_warning=False)
    assert older.model_list() == ["lines"]
    wish = {
        **SMALL,
        **({"init_images": [PICTURE], "sampler_index": "Euler a"} if kind == "img2img" else {}),
        "controlnet_module": "none",
        "controlnet_model": "lines",
        "controlnet_weight": 1.0,
    }
    followed = getattr(older, kind)(**wish, controlnet_image=[PICTURE])
    assert "ControlNet 0" in followed.info["infotexts"][0]
    other = getattr(older, kind)(**wish, controlnet_image=[ImageOps.invert(PICTURE)])
    assert followed.image.tobytes() != other.image.tobytes()


def test_the_client_s_older_way_to_send_units(api: Api, served: Served) -> None:
    served.http.post("/sdapi/v1/refresh-checkpoints")
    unit = webuiapi.ControlNetUnit(image=PICTURE, module="canny", model="lines")
    found = api.txt2img(controlnet_units=[unit], use_deprecated_controlnet=True, **SMALL)
    assert "ControlNet 0" in found.info["infotexts"][0]


def test_no_method_is_left_out() -> None:
    interfaces = [getattr(webuiapi, name) for name in dir(webuiapi) if name.endswith("Interface")]
    there = {name for name, _ in inspect.getmembers(Api, inspect.isfunction) if not name.startswith("_")}
    for interface in interfaces:
        methods = inspect.getmembers(interface, inspect.isfunction)
        there |= {f"{interface.__name__}.{name}" for name, _ in methods if not name.startswith("_")}
    older = {
        f"ControlNetInterface.{name}" for name in ("txt2img", "img2img", "model_list", "print_deprecation_warning")
    }
    assert there == {*METHODS, *REFUSED, *REFUSED_PATHS} | older
