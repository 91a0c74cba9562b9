"""ControlNets from the outside: found by name, refused by family with both names, their pictures kept, flags read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from app.addons import addon_files
from app.cli.values import control_use
from app.inputs import InputStore
from app.models import ModelStore
from app.paths import STARTER
from app.resolve import resolve
from app.validate import validate
from app.validate_guides import check_guides
from engines.api import CONTROLNET, GenerationRequest, Kind, ModelRecord, UserError, family
from tests.engines.identify.headers import fixture, write_safetensors

HINT = "controlnet_cond_embedding.conv_in.weight"
WIDTHS = {"sd15": 768, "sdxl": 2048}


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    for family_id, width in WIDTHS.items():
        path = tmp_path / "controlnet" / f"canny-{family_id}.safetensors"
        path.parent.mkdir(exist_ok=True)
        block = 1 if family_id == "sdxl" else 0
        tensors = {
            HINT: np.zeros((16, 3, 3, 3), np.float16),
            f"down_blocks.{block}.attentions.0.transformer_blocks.0.attn2.to_k.weight": np.zeros(
                (320, width), np.float16
            ),
            f"down_blocks.{block}.attentions.0.proj_in.weight": np.zeros(
                (320, 320) if family_id == "sdxl" else (320, 320, 1, 1), np.float16
            ),
        }
        if family_id == "sdxl":
            tensors["add_embedding.linear_1.weight"] = np.zeros((1280, 2816), np.float16)
        save_file(tensors, path)
    Image.new("RGB", (40, 30), "white").save(tmp_path / "room.png")
    return ModelStore((STARTER, tmp_path))


def record_of(family_id: str) -> ModelRecord:
    return ModelRecord(id="m", title="My model", family=family_id, path=Path(), loader="", weight_bytes=0)


def wish(models: ModelStore, *uses: dict[str, Any], **values: Any) -> GenerationRequest:
    return resolve(models=models, values={"prompt": "a house", "seed": 1, "controls": list(uses), **values}).request


def test_they_are_found_and_refused_by_family(models: ModelStore, tmp_path: Path) -> None:
    assert {file.name: file.family for file in models.files(Kind.CONTROLNET)} == {
        "canny-sd15": "sd15",
        "canny-sdxl": "sdxl",
    }
    room = str(tmp_path / "room.png")
    request = wish(models, {"file": "Canny-SD15", "image": room})
    found = addon_files(request, record_of("sd15"), models)
    assert found == {f"{CONTROLNET}Canny-SD15": tmp_path / "controlnet" / "canny-sd15.safetensors"}
    with pytest.raises(UserError) as caught:
        addon_files(request, record_of("sdxl"), models)
    assert caught.value.code == "addon-wrong-family"
    assert family("sdxl").title in str(caught.value) and family("sd15").title in str(caught.value)
    with pytest.raises(UserError) as caught:
        addon_files(wish(models, {"file": "cany-sd15", "image": room}), record_of("sd15"), models)
    assert (caught.value.code, caught.value.params["nearest"][0]) == ("controlnet-unknown", "canny-sd15")


@pytest.mark.parametrize("made_for", ["flux", "sd3", "qwen-image", "z-image"])
def test_those_for_transformers_are_told_apart_by_their_headers(tmp_path: Path, made_for: str) -> None:
    """The headers are those of real files, without the weights."""
    write_safetensors(tmp_path / "controlnet" / "net.safetensors", fixture(f"{made_for}-controlnet"))
    models = ModelStore((STARTER, tmp_path))
    Image.new("RGB", (40, 30), "white").save(tmp_path / "room.png")
    request = wish(models, {"file": "net", "image": str(tmp_path / "room.png")})
    assert addon_files(request, record_of(made_for), models)
    for other in {"flux", "sd3", "qwen-image", "sdxl"} - {made_for}:
        with pytest.raises(UserError) as caught:
            addon_files(request, record_of(other), models)
        assert caught.value.code == "addon-wrong-family"
        assert family(other).title in str(caught.value) and family(made_for).title in str(caught.value)
    able = family(made_for).control is not None
    assert able == (made_for != "z-image")


def test_what_cannot_be_followed_is_refused(models: ModelStore, tmp_path: Path) -> None:
    room = str(tmp_path / "room.png")

    def code(use: dict[str, Any], family_id: str = "sd15", **values: Any) -> str:
        with pytest.raises(UserError) as caught:
            validate(wish(models, {"file": "x", **use}, **values), family(family_id))
        assert caught.value.message.fixes
        return caught.value.code

    assert code({}) == "control-needs-picture"
    assert code({"image": room, "start": 0.5, "end": 0.5}) == "control-span-empty"
    assert code({"image": str(tmp_path / "gone.png")}) != ""
    assert code({"image": room, "weight": 9}) == "value-invalid"
    assert code({"image": room, "prepare": "pose"}) == "preparer-unknown"
    values = {"sampler": "Euler flow", "scheduler": "Simple", "width": 512, "height": 512}
    assert code({"image": room}, "lumina2", **values) == "controls-not-for-family"
    with pytest.raises(UserError, match="takes no LoRAs"):
        check_guides(wish(models, loras=[{"file": "style"}]), family("svd"), Path)
    validate(wish(models, {"file": "x", "image": room, "prepare": "Canny"}), family("sd15"))
    validate(wish(models, {"file": "x"}, init_image=room), family("sd15"))


def test_the_pictures_are_kept_by_their_contents(models: ModelStore, tmp_path: Path) -> None:
    inputs = InputStore(tmp_path / "inputs")
    room = str(tmp_path / "room.png")
    request = wish(models, {"file": "a", "image": room}, {"file": "b"}, init_image=room)
    assert set(request.inputs) == {"init_image", "controls.0"}
    kept = request.with_inputs({name: inputs.keep(value, name) for name, value in request.inputs.items()})
    assert kept.controls[0].image == kept.init_image and kept.init_image and kept.init_image.startswith("sha256:")
    assert kept.controls[1].image is None
    assert GenerationRequest.model_validate_json(kept.model_dump_json()) == kept


def test_the_flag_reads_names_and_values(tmp_path: Path) -> None:
    use = control_use(f"file=canny,image={tmp_path / 'a.png'},prepare=canny,weight=0.8")
    assert use == {"file": "canny", "image": str(tmp_path / "a.png"), "prepare": "canny", "weight": "0.8"}
    assert control_use("canny")["file"] == "canny"
    for text in ("image=x.png", "file=a,size=3", "file=a,file=b", "file="):
        with pytest.raises(UserError) as caught:
            control_use(text)
        assert caught.value.code == "control-malformed"
