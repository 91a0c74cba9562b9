"""A model in one file makes the same bytes as the same model in a folder, with no hub asked; lone parts are put together."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.errors import UserError
from engines.header import read_header
from engines.identify import Kind, identify
from engines.interface import RunContext
from engines.loaders import load_model
from engines.placement import Placement
from engines.records import ModelRecord
from engines.registry import REGISTRY, create_engine
from engines.tokenizers import load_bundled_tokenizer
from engines.types import GenerationRequest
from tests.engines import originals
from tests.engines.original_transformers import INVERSES
from tests.engines.single_files import checkpoint_of, configs_of, save, weights_of

CHECKPOINTS = ("sd15", "sdxl")
# Families whose transformer goes around alone: in its makers' layout where its reader takes any size, else in the library's.
MAKERS = ("flux2", "ltx", "ltx2", "qwen-image", "sana", "wan", "z-image")
LIBRARYS = ("chroma", "cogvideox", "flux", "hunyuan-video", "hunyuan-video15", "lumina2", "sd3")
ALONE = (*MAKERS, *LIBRARYS)
Make = Callable[..., Any]


@pytest.fixture
def tiny_request() -> Make:
    """A small request for a family."""

    def make(name: str) -> GenerationRequest:
        family = REGISTRY.get(name)
        size: dict[str, Any] = {"width": family.tiny.width, "height": family.tiny.height, "steps": 2}
        if family.video is not None:
            size |= {"frames": family.video.min_frames, "task": family.tasks[0]}
        values = {"model": name, "prompt": "a red apple", "seed": 7, **family.defaults, **size}
        return GenerationRequest.model_validate(values)

    return make


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any look-up or connection fails the test."""

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"the network was asked: {arguments}")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRecord]:
    """The tiny models as folders."""
    from engines.tiny import make_tiny_model

    root = tmp_path_factory.mktemp("folders")
    return {
        name: ModelRecord(name, name, name, make_tiny_model(REGISTRY.get(name), root / name), "diffusers-folder", 0)
        for name in (*CHECKPOINTS, *ALONE)
    }


@pytest.fixture(scope="module")
def single_files(folders: dict[str, ModelRecord], tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRecord]:
    """The tiny models as single files; what a real one takes from Easel, its configurations and words, is given beside."""
    root = tmp_path_factory.mktemp("single")
    found = {}
    for name in CHECKPOINTS:
        folder = folders[name].path
        configs = configs_of(folder, root / f"{name}-configs")
        words = {part.name: part for part in configs.iterdir() if part.name.startswith("tokenizer")}
        path = save(checkpoint_of(folder), root / f"{name}.safetensors")
        found[name] = replace(folders[name], path=path, loader="single-file", sources={"config": configs, **words})
    return found


def picture(record: ModelRecord, request: Any, ctx: RunContext) -> str:
    """The sha256 of the picture's or the video's pixels."""
    engine = create_engine(record)
    engine.load(record, ctx)
    artifact = engine.generate(request, ctx).artifacts[0]
    return hashlib.sha256(pixels(artifact.path)).hexdigest()


def pixels(path: Path) -> bytes:
    """The pixels of a picture, or of every frame of a video."""
    from PIL import Image

    if path.suffix == ".png":
        return Image.open(path).tobytes()
    import av

    with av.open(path) as video:
        return b"".join(frame.to_ndarray(format="rgb24").tobytes() for frame in video.decode(video=0))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_one_file_gives_the_same_bytes_as_a_folder(
    name: str,
    folders: dict[str, ModelRecord],
    single_files: dict[str, ModelRecord],
    tiny_request: Make,
    context: Make,
) -> None:
    found = identify(single_files[name].path, REGISTRY.all())
    assert (found.kind, found.family, found.missing, found.problem) == (Kind.CHECKPOINT, name, (), None)
    request = tiny_request(name)
    folder = picture(folders[name], request, context("folder"))
    assert picture(single_files[name], request, context("single")) == folder


def lone(name: str, folder: Path, path: Path) -> ModelRecord:
    """The family's transformer in one file; every other part, with its configuration, is in `folder`."""
    family = REGISTRY.get(name)
    weights = weights_of(folder / "transformer")
    save(INVERSES[name](weights) if name in MAKERS else weights, path)
    index = read_header(folder).parts
    parts = {part: folder / part for part in family.parts if part in index and part not in ("transformer", "scheduler")}
    configs = configs_of(folder, path.with_suffix(".configs"))
    return ModelRecord(name, name, name, path, "single-file", 0, sources={"config": configs, **parts})


@pytest.mark.parametrize("name", ALONE)
def test_a_lone_transformer_gives_the_same_bytes_as_its_folder(
    name: str, folders: dict[str, ModelRecord], tiny_request: Make, context: Make, tmp_path: Path
) -> None:
    record = lone(name, folders[name].path, tmp_path / "transformer.safetensors")
    request = tiny_request(name)
    assert picture(record, request, context("lone")) == picture(folders[name], request, context("folder"))


@pytest.mark.parametrize("name", ["sdxl"])
def test_a_lone_unet_is_put_together_from_parts(
    name: str,
    folders: dict[str, ModelRecord],
    single_files: dict[str, ModelRecord],
    tiny_request: Make,
    context: Make,
    tmp_path: Path,
) -> None:
    """The UNet as trainers save it, the VAE out of a checkpoint, text encoders as other programs name them."""
    folder = folders[name].path
    unet = save(weights_of(folder / "unet"), tmp_path / "unet.safetensors")
    assert identify(unet, REGISTRY.all()).family == name
    clip = save(originals.original_clip(weights_of(folder / "text_encoder")), tmp_path / "clip_l.safetensors")
    sources = {**single_files[name].sources, "vae": single_files[name].path, "text_encoder": clip}
    if (folder / "text_encoder_2").is_dir():
        sources["text_encoder_2"] = folder / "text_encoder_2"
    record = replace(single_files[name], path=unet, sources=sources)
    request = tiny_request(name)
    assert picture(record, request, context("parts")) == picture(folders[name], request, context("folder"))


def test_a_gguf_denoiser_makes_nearly_the_same_picture(
    folders: dict[str, ModelRecord],
    single_files: dict[str, ModelRecord],
    tiny_request: Make,
    context: Make,
    tmp_path: Path,
) -> None:
    """8 bits for matrices, full floats for the rest, as the usual converters pack them; the file is our own writer's."""
    import gguf
    import numpy as np
    from PIL import Image

    name = "sdxl"
    writer = gguf.GGUFWriter(tmp_path / "unet.gguf", name)
    for key, tensor in originals.original_unet(weights_of(folders[name].path / "unet")).items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[-1] % 32 == 0 and key.endswith("weight"):
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(key, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(key, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = identify(tmp_path / "unet.gguf", REGISTRY.all())
    assert (found.kind, found.family, found.missing) == (Kind.DENOISER, name, ("vae", "text_encoder", "text_encoder_2"))
    folder = folders[name].path
    sources = {**single_files[name].sources, **{part: folder / part for part in found.missing}}
    record = replace(single_files[name], path=tmp_path / "unet.gguf", loader="gguf", sources=sources)
    request, pictures = tiny_request(name), []
    for each, where in ((record, "gguf"), (folders[name], "folder")):
        ctx = context(where)
        engine = create_engine(each)
        engine.load(each, ctx)
        pictures.append(np.asarray(Image.open(engine.generate(request, ctx).artifacts[0].path), dtype=float))
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 4


@pytest.mark.parametrize("name", ["chroma", "flux2", "qwen-image", "z-image"])
def test_a_gguf_transformer_makes_nearly_the_same_picture(
    name: str, folders: dict[str, ModelRecord], tiny_request: Make, context: Make, tmp_path: Path
) -> None:
    """Matrices in 8 bits under the names that go around; single vectors that stand for words stay as they are."""
    import gguf
    import numpy as np
    from PIL import Image

    record = lone(name, folders[name].path, tmp_path / "transformer.safetensors")
    writer = gguf.GGUFWriter(tmp_path / "transformer.gguf", name)
    packed = 0
    for key, tensor in weights_under_one_name(record.path).items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[-1] % 32 == 0 and key.endswith("weight"):
            packed += 1
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(key, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(key, values)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    assert packed
    record = replace(record, path=tmp_path / "transformer.gguf", loader="gguf")
    request, pictures = tiny_request(name), []
    for each, where in ((record, "gguf"), (folders[name], "folder")):
        ctx = context(where)
        engine = create_engine(each)
        engine.load(each, ctx)
        pictures.append(np.asarray(Image.open(engine.generate(request, ctx).artifacts[0].path), dtype=float))
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 4


def weights_under_one_name(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(path)


def test_v_prediction_changes_the_schedule(single_files: dict[str, ModelRecord]) -> None:
    record = replace(single_files["sdxl"], variants=("v-prediction",))
    parts = load_model("single-file", record, REGISTRY.of(record), Placement("cpu", "float32"))
    assert parts["scheduler"]["prediction_type"] == "v_prediction"
    assert parts["scheduler"]["rescale_betas_zero_snr"] is True


def test_a_file_that_lost_a_tensor_names_the_part(single_files: dict[str, ModelRecord], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(single_files["sd15"].path)
    for name, part in (
        ("model.diffusion_model.out.2.weight", "unet"),
        ("first_stage_model.decoder.conv_out.weight", "vae"),
        ("cond_stage_model.transformer.text_model.final_layer_norm.weight", "text_encoder"),
    ):
        damaged = save({key: value for key, value in tensors.items() if key != name}, tmp_path / f"{part}.safetensors")
        record = replace(single_files["sd15"], path=damaged)
        with pytest.raises(UserError) as caught:
            load_model("single-file", record, REGISTRY.of(record), Placement("cpu", "float32"))
        assert (caught.value.code, caught.value.params["part"]) == ("model-broken", part)


def test_words_that_easel_brings_are_clips_own() -> None:
    """The numbers are those of OpenAI's tokenizer for the same texts."""
    words = load_bundled_tokenizer("clip")
    assert len(words) == 49408
    assert words("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    padded = load_bundled_tokenizer("clip-padded-with-0")("a cat", padding="max_length").input_ids
    assert (len(padded), padded[:5]) == (77, [49406, 320, 2368, 49407, 0])


@pytest.mark.parametrize("family", [each for each in REGISTRY.all() if each.single_file], ids=lambda each: each.id)
def test_every_family_with_single_files_has_its_configurations(family: Any) -> None:
    from engines.header import read_header
    from engines.loaders import PART_CLASSES
    from engines.single_file.configs import CONFIGS

    header = read_header(CONFIGS / family.id)
    wanted = set(family.parts) - family.optional_parts
    assert wanted <= set(header.parts)
    classes = {**PART_CLASSES, **family.part_modules}
    assert all(header.parts[part] in classes for part in wanted if part != "scheduler")
    # What a file can hold has its configuration here; all else comes from a folder, with the folder's own.
    held = {part for part, signatures in family.detection.files.items() if signatures} | set(family.detection.prefixes)
    assert set(header.configs) >= (held & wanted) | {family.denoiser, "scheduler"}
    assert family.detection.matches(header)
    assert {part for part in family.parts if part.startswith("tokenizer")} <= set(family.single_file.tokenizers)
