"""Other programs' folders are used where they are: every file told right, nothing copied, nothing written there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.library import find_programs, recognise
from app.library.parts import AUTOMATIC, choose_part
from app.models import ModelStore
from app.paths import STARTER
from engines.api import Kind, UserError
from tests.app.library import trees
from tests.app.library.trees import Told
from tests.engines.identify.headers import fixture, write_safetensors


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and time."""
    return {str(path): ((facts := path.lstat()).st_size, facts.st_mtime_ns) for path in sorted(folder.rglob("*"))}


def told(store: ModelStore) -> Told:
    return {str(each.path): (str(each.kind), each.family) for each in store.files()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with all the programs in it."""
    return tmp_path / "home"


def everything(home: Path) -> Told:
    return {
        **trees.a1111(home / "stable-diffusion-webui"),
        **trees.comfy(home / "ComfyUI", home / "big disk"),
        **trees.forge(home / "stable-diffusion-webui-forge"),
        **trees.swarm(home / "SwarmUI"),
        **trees.fooocus(home / "Fooocus", home / "more checkpoints"),
        **trees.invoke(home / "invokeai"),
        **trees.stability_matrix(home / "StabilityMatrix"),
        **trees.hub(home / ".cache" / "huggingface" / "hub"),
    }


def test_every_file_of_every_program_is_told_right(home: Path, tmp_path: Path) -> None:
    expected = everything(home)
    before = snapshot(home)
    found = find_programs(home, {})
    assert {root.program for root in found} == {
        "A1111",
        "ComfyUI",
        "Fooocus",
        "Forge",
        "SwarmUI",
        "InvokeAI",
        "Stability Matrix",
        "Hugging Face",
    }
    store = ModelStore([root.path for root in found], tmp_path / "cache" / "models.sqlite3")
    assert told(store) == expected
    assert len(expected) >= 45
    assert snapshot(home) == before


def test_what_can_make_pictures_is_a_model(home: Path) -> None:
    everything(home)
    store = ModelStore([root.path for root in find_programs(home, {})])
    records = {record.path.name: record for record in store.all()}
    assert records["realistic.safetensors"].loader == "single-file"
    assert records["base.safetensors"].family == "sdxl"
    # Lone denoisers borrow what they lack from the machine's other models, and say from where.
    assert set(records["alone.safetensors"].sources) == {"vae", "text_encoder", "text_encoder_2"}
    assert set(records["q.gguf"].sources) == {"vae", "text_encoder"}
    assert all(path.exists() for path in records["q.gguf"].sources.values())
    # A checkpoint that lends its VAE and its text encoders is not counted whole, and not three times.
    assert records["alone.safetensors"].weight_bytes <= records["base.safetensors"].weight_bytes
    assert len({record.id for record in store.all()}) == len(store.all())
    # Forge brings the words of one of them along; the others lack parts that nobody here has.
    assert records["dev.safetensors"].sources["tokenizer_2"].parts[-3:-1] == ("black-forest-labs", "FLUX.1-dev")
    broken = {problem.path.name: problem.error.code for problem in store.problems}
    lacking = dict.fromkeys(("klein.gguf", "wan.safetensors"), "model-parts-missing")
    assert broken == {"page.safetensors": "model-is-something-else", **lacking}


def test_a_program_s_own_words_make_its_files_whole(tmp_path: Path) -> None:
    """ComfyUI's folder alone: transformer, decoder, two text encoders, and the words that the program brings."""
    from engines.tiny_text import write_tokenizer

    comfy = tmp_path / "ComfyUI"
    for name in ("custom_nodes", "models/checkpoints"):
        (comfy / name).mkdir(parents=True)
    files = {
        "unet/dev": "FLUX dev",
        "text_encoders/t5": "T5-XXL",
        "text_encoders/l": "CLIP-L",
        "vae/ae": "VAE with 16 channels",
    }
    trees.put(comfy, {f"models/{name}.safetensors": each for name, each in files.items()})
    assert ModelStore([comfy]).all() == ()
    words = comfy / "comfy" / "text_encoders" / "t5_tokenizer"
    write_tokenizer("T5TokenizerFast", words)
    for root in (comfy, comfy / "models"):
        (record,) = ModelStore([root]).all()
        assert record.sources["tokenizer_2"] == words
        assert set(record.sources) == {"vae", "text_encoder", "text_encoder_2", "tokenizer_2"}


def test_what_nobody_here_has_is_named(tmp_path: Path) -> None:
    trees.put(tmp_path, {"alone.safetensors": "UNet of XL"})
    store = ModelStore([tmp_path])
    assert store.all() == ()
    assert [problem.error.code for problem in store.problems] == ["model-parts-missing"]
    assert "text_encoder_2" in store.problems[0].error.cause
    trees.put(tmp_path, {"whole.safetensors": "checkpoint of XL"})
    assert store.refresh()
    assert {record.path.name for record in store.all()} == {"alone.safetensors", "whole.safetensors"}


def test_the_persons_choice_of_a_part_wins(tmp_path: Path) -> None:
    trees.put(
        tmp_path, {"unet.safetensors": "UNet of 1.5", "whole.safetensors": "checkpoint of 1.5", "my.safetensors": "VAE"}
    )
    usual = ModelStore([tmp_path])
    unet = usual.file(tmp_path / "unet.safetensors")
    assert usual.fillers(unet, "vae") == (tmp_path / "whole.safetensors", tmp_path / "my.safetensors")
    choice = {str(unet.path): {"vae": tmp_path / "my.safetensors"}}
    chosen = ModelStore([tmp_path], chosen=lambda: choice)
    assert chosen.get("unet").sources["vae"] == tmp_path / "my.safetensors"
    assert chosen.get("unet").fingerprint != usual.get("unet").fingerprint


def test_parts_can_be_chosen_and_given_back(tmp_path: Path) -> None:
    trees.put(
        tmp_path, {"unet.safetensors": "UNet of 1.5", "whole.safetensors": "checkpoint of 1.5", "my.safetensors": "VAE"}
    )
    unet, chosen = tmp_path / "unet.safetensors", {}
    store = ModelStore([tmp_path], chosen=lambda: {str(unet): chosen})
    vae, text = store.parts(unet)
    assert (vae.part, vae.needed, vae.place, vae.chosen) == ("vae", True, tmp_path / "whole.safetensors", False)
    assert vae.offers == (tmp_path / "whole.safetensors", tmp_path / "my.safetensors")
    assert text.part == "text_encoder"
    chosen |= choose_part(store.parts(unet), "unet", {}, "vae", str(tmp_path / "my.safetensors"))
    store.rescan()
    assert store.parts(unet)[0].chosen and store.get("unet").sources["vae"] == tmp_path / "my.safetensors"
    assert choose_part(store.parts(unet), "unet", chosen, "vae", AUTOMATIC) == {}
    for part, place, code in (("tail", "x", "model-part-unknown"), ("vae", "whatever", "model-part-unfit")):
        with pytest.raises(UserError) as caught:
            choose_part(store.parts(unet), "unet", {}, part, place)
        assert caught.value.code == code
    assert store.parts(tmp_path / "whole.safetensors") == ()


def test_a_part_that_the_family_can_do_without_is_taken_by_choice_alone(tmp_path: Path) -> None:
    """Stable Diffusion 3 without its largest text encoder; what two variants of a family have differently is not mixed up."""
    trees.put(tmp_path, {"medium.safetensors": "SD 3.5 medium", "t5.safetensors": "T5-XXL"})
    chosen: dict[str, Path] = {}
    store = ModelStore([tmp_path], chosen=lambda: {str(tmp_path / "medium.safetensors"): chosen})
    third = next(each for each in store.parts(tmp_path / "medium.safetensors") if each.part == "text_encoder_3")
    assert (third.needed, third.place, third.offers) == (False, None, (tmp_path / "t5.safetensors",))
    chosen |= choose_part([third], "medium", {}, "text_encoder_3", str(tmp_path / "t5.safetensors"))
    again = next(each for each in store.parts(tmp_path / "medium.safetensors") if each.part == "text_encoder_3")
    assert again.place == tmp_path / "t5.safetensors"


def test_the_starter_lends_no_parts(tmp_path: Path) -> None:
    """It is of the same family as many a lone UNet, and of a size that fits none of them."""
    trees.put(tmp_path, {"unet.safetensors": "UNet of 1.5", "my.safetensors": "VAE"})
    store = ModelStore([STARTER, tmp_path])
    vae, text = store.parts(tmp_path / "unet.safetensors")
    assert (vae.offers, text.offers) == ((tmp_path / "my.safetensors",), ())


def test_variants_with_parts_of_their_own_take_no_others(tmp_path: Path) -> None:
    for name, source in (
        ("4b", "flux2-klein-4b"),
        ("9b", "flux2-klein-9b"),
        ("words-4b", "qwen3-4b"),
        ("words-9b", "qwen3-8b"),
    ):
        write_safetensors(tmp_path / f"{name}.safetensors", fixture(source))
    store = ModelStore([tmp_path])
    for size in ("4b", "9b"):
        words = next(each for each in store.parts(tmp_path / f"{size}.safetensors") if each.part == "text_encoder")
        assert words.offers == (tmp_path / f"words-{size}.safetensors",)


def test_files_are_found_by_kind_family_and_name(home: Path) -> None:
    everything(home)
    store = ModelStore([home / "ComfyUI"])
    assert {each.name for each in store.files(Kind.LORA, "sdxl")} == {"lora"}
    assert (
        {each.name for each in store.files(Kind.VAE, "sd15")}
        == {"ft"}
        == {each.name for each in store.files(Kind.VAE, "sdxl")}
    )
    assert store.find_file("LORA", Kind.LORA) == store.find_file("lora.safetensors", Kind.LORA) != None  # noqa: E711
    assert store.find_file("sdxl", Kind.LORA) is None
    with pytest.raises(UserError):
        store.file(home / "nothing")


def test_a_plain_folder_is_just_looked_through(tmp_path: Path) -> None:
    assert recognise(tmp_path).program == ""
    assert recognise(tmp_path / "nothing").folders == (tmp_path / "nothing",)


@pytest.mark.parametrize(
    "text", ["a: &a [1]\nb: *a\n", "{", "- 1\n", "\ttab", "x: " + "[" * 5000, "a:\n  base_path: 3\n  loras: [1]\n"]
)
def test_a_damaged_settings_file_of_another_program_is_no_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "extra_model_paths.yaml").write_text(text)
    assert recognise(tmp_path).folders == (tmp_path / "models",)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_a_circle_end(tmp_path: Path) -> None:
    trees.put(tmp_path, {"a/b/c.safetensors": "VAE"})
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "broken.safetensors").symlink_to(tmp_path / "gone.safetensors")
    store = ModelStore([tmp_path])
    assert [each.path.name for each in store.files(Kind.VAE)] == ["c.safetensors"]
    if os.getuid():
        (tmp_path / "secret").mkdir(mode=0o000)
        store.rescan()


def test_a_model_in_eight_bits_is_another_one_and_says_so(tmp_path: Path) -> None:
    trees.put(tmp_path, {"a.safetensors": "checkpoint of 1.5"})
    wanted: list[str] = []
    store = ModelStore([tmp_path], eight_bits=lambda: wanted)
    plain = store.get("a")
    wanted.append(str(tmp_path / "a.safetensors"))
    store.rescan()
    assert (plain.eight_bits, store.get("a").eight_bits) == (False, True)
    assert store.get("a").fingerprint != plain.fingerprint
