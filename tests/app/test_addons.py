"""LoRAs from the outside: found by name, refused by family with both names, told to the engine as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.addons import addon_files
from app.cli.values import lora_use
from app.enlarging import enlarging
from app.models import ModelStore
from app.paths import STARTER
from app.resolve import resolve
from engines.api import GenerationRequest, Kind, ModelRecord, UserError, family

LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
WIDTHS = {"sd15": 768, "sdxl": 2048}


def write_lora(path: Path, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    down, up = np.zeros((4, width), np.float16), np.zeros((640, 4), np.float16)
    save_file({f"{LAYER}.lora_down.weight": down, f"{LAYER}.lora_up.weight": up}, path)


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    for family_id, width in WIDTHS.items():
        write_lora(tmp_path / "loras" / f"style-{family_id}.safetensors", width)
    return ModelStore((STARTER, tmp_path))


def record_of(family_id: str) -> ModelRecord:
    return ModelRecord(id="m", title="My model", family=family_id, path=Path(), loader="", weight_bytes=0)


def wish(models: ModelStore, **values: Any) -> GenerationRequest:
    return resolve(models=models, values={"prompt": "a house", "seed": 1, **values}).request


def test_a_lora_is_found_by_name_in_list_and_prompt(models: ModelStore, tmp_path: Path) -> None:
    assert {file.name for file in models.files(Kind.LORA)} == {"style-sd15", "style-sdxl"}
    record, place = record_of("sd15"), tmp_path / "loras" / "style-sd15.safetensors"
    assert addon_files(wish(models, loras=[{"file": "Style-SD15", "weight": 0.5}]), record, models) == {
        "Style-SD15": place
    }
    assert addon_files(wish(models, prompt="x <lora:style-sd15:0.5>"), record, models) == {"style-sd15": place}


def test_a_lora_of_another_family_is_refused_with_both_names(models: ModelStore) -> None:
    with pytest.raises(UserError) as caught:
        addon_files(wish(models, prompt="x <lora:style-sdxl:1>"), record_of("sd15"), models)
    assert caught.value.code == "addon-wrong-family"
    assert family("sdxl").title in str(caught.value) and family("sd15").title in str(caught.value)


def test_an_unknown_lora_is_refused_with_the_nearest(models: ModelStore) -> None:
    with pytest.raises(UserError) as caught:
        addon_files(wish(models, loras=[{"file": "stile-sd15"}]), record_of("sd15"), models)
    assert (caught.value.code, caught.value.params["nearest"][0]) == ("lora-unknown", "style-sd15")


def test_too_many_are_refused(models: ModelStore) -> None:
    many = "".join(f"<lora:l{index}:1>" for index in range(17))
    with pytest.raises(UserError, match="17"):
        addon_files(wish(models, prompt=many), record_of("sd15"), models)


@pytest.mark.parametrize("weight", ["nan", "1e9", "much"])
def test_weights_that_make_no_sense_are_refused(models: ModelStore, weight: str) -> None:
    with pytest.raises(UserError) as caught:
        wish(models, loras=[{"file": "style-sd15", "weight": weight}])
    assert caught.value.params["field"] == "loras.0.weight"


def test_the_flag_reads_name_and_weight() -> None:
    assert lora_use("style:0.8") == {"file": "style", "weight": 0.8, "text_weight": None}
    with pytest.raises(UserError):
        lora_use("style:much")


def test_a_picture_says_how_it_is_enlarged(models: ModelStore, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (100, 60)).save(tmp_path / "p.png")
    resolved = enlarging(models, tmp_path / "p.png", 1.5, tiled=True)
    assert (resolved.request.width, resolved.request.height, resolved.request.strength) == (150, 90, 0.3)
    assert resolved.request.tiles is not None and resolved.record.bundled
    with pytest.raises(UserError):
        enlarging(models, tmp_path / "p.png", 17)


def test_a_vae_and_an_upscaler_are_found_by_name(models: ModelStore, tmp_path: Path, monkeypatch: Any) -> None:
    from app import addons
    from engines.api import VAE

    shapes = {"mse": 4, "flux-ae": 16}
    for name, channels in shapes.items():
        tensors = {"decoder.conv_in.weight": np.zeros((512, channels, 3, 3), np.float16)}
        (tmp_path / "vae").mkdir(exist_ok=True)
        save_file(tensors, tmp_path / "vae" / f"{name}.safetensors")
    save_file({"conv_first.weight": np.zeros((8, 3, 3, 3), np.float32)}, tmp_path / "x4.safetensors")
    (tmp_path / "old.pth").write_bytes(b"\x80\x02}q\x00.")
    record = record_of("sd15")
    assert addon_files(wish(models, vae="MSE"), record, models) == {f"{VAE}MSE": tmp_path / "vae" / "mse.safetensors"}
    with pytest.raises(UserError) as caught:
        addon_files(wish(models, vae="flux-ae"), record, models)
    assert caught.value.code == "addon-wrong-family" and family("sd15").title in str(caught.value)
    monkeypatch.setattr(addons, "upscaler_models_possible", lambda: True)
    larger = wish(models, hires={"upscaler": "x4"})
    assert addon_files(larger, record, models) == {"x4": tmp_path / "x4.safetensors"}
    monkeypatch.setattr(addons, "upscaler_models_possible", lambda: False)
    expected = {"x4": "upscaler-needs-extra", "old": "model-pickle", "x5": "upscaler-unknown"}
    for name, code in expected.items():
        with pytest.raises(UserError) as caught:
            addon_files(wish(models, hires={"upscaler": name}), record, models)
        assert caught.value.code == code
