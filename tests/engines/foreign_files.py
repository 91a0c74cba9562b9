"""Files as other programs write them, made here in their documented formats: each a name, a picture and what it must say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SETTINGS = "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x768"


@dataclass(frozen=True)
class Case:
    """One file: PNG chunks, or EXIF for JPEG and WebP; `kind` and `settings` are what must be read from it."""

    name: str
    kind: str
    settings: dict[str, str]
    chunks: dict[str, str] = field(default_factory=dict)
    comment: bytes = b""
    plain: dict[int, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """The file, in `folder`."""
        path = folder / self.name
        picture = Image.new("RGB", (16, 16), "teal")
        if path.suffix == ".png":
            info = PngInfo()
            for key, value in self.chunks.items():
                info.add_text(key, value)
            picture.save(path, pnginfo=info)
        else:
            picture.save(path, exif=self._exif())
        return path

    def _exif(self) -> bytes:
        if self.plain:  # as the programs do it: texts in the main directory, by Pillow
            tags = Image.Exif()
            tags.update(self.plain)
            return tags.tobytes()
        import piexif

        return piexif.dump({"Exif": {piexif.ExifIFD.UserComment: self.comment}})


def infotext(more: str = "", prompt: str = "a cat", negative: str = "dog") -> str:
    return f"{prompt}\nNegative prompt: {negative}\n{SETTINGS}{more}"


USUAL = {
    "Prompt": "a cat",
    "Negative prompt": "dog",
    "Steps": "20",
    "Sampler": "DPM++ 2M",
    "Schedule type": "Karras",
    "CFG scale": "7",
    "Seed": "5",
    "Size-1": "512",
    "Size-2": "768",
}
COMFY_USUAL = USUAL | {"Sampler": "dpmpp_2m", "Schedule type": "karras"}

A1111 = [
    Case("a1111.png", "a1111", USUAL | {"Model": "x"}, {"parameters": infotext(", Model: x, Version: v1.10.1")}),
    Case(
        "a1111-old.png",
        "a1111",
        USUAL,
        {
            "parameters": "a cat\nNegative prompt: dog\n"
            "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, Size: 512x768"
        },
    ),
    Case("big.jpg", "a1111", USUAL, comment=b"UNICODE\0" + infotext().encode("utf-16-be")),
    Case("little.jpg", "a1111", USUAL, comment=b"UNICODE\0" + infotext().encode("utf-16-le")),
    Case("marked.jpg", "a1111", USUAL, comment=b"UNICODE\0" + infotext().encode("utf-16")),
    Case("ascii.webp", "a1111", USUAL, comment=b"ASCII\0\0\0" + infotext().encode()),
    Case("bare.webp", "a1111", USUAL, comment=infotext().encode()),
    Case(
        "civitai.png",
        "a1111",
        USUAL | {"Hashes": '{"model": "0123456789", "lora:x": "ab"}', "Clip skip": "2"},
        {
            "parameters": infotext(
                ', Clip skip: 2, Hashes: {"model": "0123456789", "lora:x": "ab"}, '
                'Civitai resources: [{"type":"checkpoint","modelVersionId":123,"modelName":"a, b"}], Version: v1.9.4'
            )
        },
    ),
    Case(
        "dynamic.png",
        "a1111",
        USUAL,
        {"parameters": infotext(', TI hashes: "a: 12, b: 34"') + "\nTemplate: a {cat|dog}\nNegative Template: dog"},
    ),
    Case("empty-negative.png", "a1111", USUAL | {"Negative prompt": ""}, {"parameters": f"a cat\n{SETTINGS}"}),
    Case(
        "lines.png",
        "a1111",
        USUAL | {"Prompt": "a cat,\nBREAK\n<lora:x:0.8> Steps", "Negative prompt": "dog,\nfog"},
        {"parameters": infotext("", "a cat,\nBREAK\n<lora:x:0.8> Steps", "dog,\nfog")},
    ),
    Case(
        "forge.png",
        "forge",
        USUAL | {"Sampler": "Euler", "Schedule type": "Simple", "CFG scale": "1", "Distilled CFG Scale": "3.5"},
        {
            "parameters": "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, "
            "Distilled CFG Scale: 3.5, Seed: 5, Size: 512x768, Model: flux1-dev, Version: f2.0.1v1.10.1, Module 1: ae"
        },
    ),
    Case(
        "sdnext.png",
        "sdnext",
        USUAL,
        {
            "parameters": "a cat\nNegative prompt: dog\nSteps: 20, Size: 512x768, Sampler: DPM++ 2M, Schedule type: Karras, "
            "Seed: 5, CFG scale: 7, App: SD.Next, Version: 1a2b3c4, Pipeline: StableDiffusionXLPipeline, Operations: txt2img"
        },
    ),
    Case(
        "forge-old.png",
        "forge",
        USUAL | {"Model hash": "6ce0161689"},
        {
            "parameters": "a cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, "
            "Size: 512x768, Model hash: 6ce0161689, Model: x, Version: f0.0.17v1.8.0rc-latest-276-g29be1da7"
        },
    ),
    Case(
        "sdnext-old.jpg",
        "sdnext",
        USUAL,
        comment=b"UNICODE\0"
        + (
            "a cat\nNegative prompt: dog\nSteps: 20, Seed: 5, Sampler: DPM++ 2M Karras, CFG scale: 7, Size: 512x768, "
            "Parser: Full parser, Model: x, Backend: Diffusers, App: SD.Next, Version: 1a2b3c4, Operations: txt2img"
        ).encode("utf-16-be"),
    ),
]

FOOOCUS_JSON = {
    "adaptive_cfg": 7,
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL_v8.safetensors",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "full_prompt": ["a cat"],
    "guidance_scale": 7,
    "loras": [["offset.safetensors", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "dog",
    "performance": "Speed",
    "prompt": "a cat",
    "resolution": "(512, 768)",
    "sampler": "dpmpp_2m",
    "scheduler": "karras",
    "seed": "5",
    "sharpness": 2,
    "steps": 20,
    "styles": "['Fooocus V2']",
    "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}
FOOOCUS_SAYS = COMFY_USUAL | {"Prompt": "a cat <lora:offset:0.1>", "Model": "juggernautXL_v8", "Clip skip": "2"}
FOOOCUS = [
    Case("fooocus.png", "fooocus", FOOOCUS_SAYS, {"parameters": json.dumps(FOOOCUS_JSON), "fooocus_scheme": "fooocus"}),
    Case("fooocus.jpg", "fooocus", FOOOCUS_SAYS, plain={0x9286: json.dumps(FOOOCUS_JSON), 0x0131: "Fooocus v2.5.5"}),
    Case(
        "fooocus-a1111.png",
        "fooocus",
        USUAL,
        {"parameters": infotext(', Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Version: Fooocus v2.5.5')},
    ),
]

SWARM_JSON = {
    "sui_image_params": {
        "prompt": "a cat",
        "negativeprompt": "dog",
        "model": "OfficialStableDiffusion/sd_xl_base_1.0.safetensors",
        "seed": 5,
        "steps": "20",
        "cfgscale": 7.0,
        "width": 512,
        "height": 768,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
        "clipstopatlayer": "-2",
        "loras": ["folder/x.safetensors"],
        "loraweights": ["0.8"],
        "swarm_version": "0.9.6.1",
    },
    "sui_extra_data": {"date": "2025-11-01", "generation_time": "1.00 (prep) and 2.00 (gen) seconds"},
    "sui_models": [{"name": "sd_xl_base_1.0.safetensors", "param": "model", "hash": "0x31e35c80fc"}],
}
SWARM_SAYS = COMFY_USUAL | {"Prompt": "a cat <lora:x:0.8>", "Model": "sd_xl_base_1.0", "Clip skip": "2"}
SWARM = [
    Case("swarm.png", "swarmui", SWARM_SAYS, {"parameters": json.dumps(SWARM_JSON)}),
    Case("swarm.jpg", "swarmui", SWARM_SAYS, comment=b"UNICODE\0" + json.dumps(SWARM_JSON).encode("utf-16-be")),
]

INVOKE_4 = {
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a cat",
    "negative_prompt": "dog",
    "width": 512,
    "height": 768,
    "seed": 5,
    "cfg_scale": 7,
    "steps": 20,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 1,
    "model": {"key": "1-2-3", "hash": "blake3:00", "name": "x", "base": "sdxl", "type": "main"},
    "loras": [{"model": {"name": "y", "type": "lora"}, "weight": 0.75}],
    "app_version": "5.4.2",
}
INVOKE_SAYS = {key: USUAL[key] for key in USUAL if key != "Schedule type"} | {"Sampler": "dpmpp_2m_k"}
INVOKE = [
    Case(
        "invoke-5.png",
        "invokeai",
        INVOKE_SAYS | {"Prompt": "a cat <lora:y:0.75>", "Model": "x", "Clip skip": "2"},
        {"invokeai_metadata": json.dumps(INVOKE_4), "invokeai_graph": "{}"},
    ),
    Case(
        "invoke-3.png",
        "invokeai",
        INVOKE_SAYS | {"Model": "x"},
        {
            "invokeai_metadata": json.dumps(
                {**INVOKE_4, "loras": [], "model": {"model_name": "x", "base_model": "sd-1"}, "clip_skip": 0}
            )
        },
    ),
    Case(
        "invoke-2.png",
        "invokeai",
        INVOKE_SAYS | {"Sampler": "k_dpmpp_2m"},
        {
            "sd-metadata": json.dumps(
                {
                    "model": "stable diffusion",
                    "model_weights": "x",
                    "app_id": "invoke-ai/InvokeAI",
                    "image": {
                        "prompt": [{"prompt": "a cat [dog]", "weight": 1}],
                        "steps": 20,
                        "cfg_scale": 7,
                        "seed": 5,
                        "width": 512,
                        "height": 768,
                        "sampler": "k_dpmpp_2m",
                    },
                }
            )
        },
    ),
    Case(
        "dream.png",
        "invokeai",
        INVOKE_SAYS | {"Sampler": "k_lms", "CFG scale": "7.0"},
        {"Dream": '"a cat [dog]" -s 20 -S 5 -W 512 -H 768 -C 7.0 -A k_lms'},
    ),
]


def comfy_graph(**changes: Any) -> dict[str, Any]:
    """ComfyUI's first example, with a LoRA between."""
    graph: dict[str, Any] = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 5,
                "steps": 20,
                "cfg": 7,
                "sampler_name": "dpmpp_2m",
                "scheduler": "karras",
                "denoise": 1.0,
                "model": ["10", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub/x.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["10", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog", "clip": ["10", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "10": {
            "class_type": "LoraLoader",
            "inputs": {"lora_name": "y.safetensors", "strength_model": 0.8, "model": ["4", 0], "clip": ["4", 1]},
        },
    }
    return graph | changes


COMFY_SAYS = COMFY_USUAL | {"Prompt": "a cat <lora:y:0.8>", "Model": "x"}
UPSCALED = {
    "20": {
        "class_type": "KSampler",
        "inputs": {
            **comfy_graph()["3"]["inputs"],
            "seed": 99,
            "denoise": 0.5,
            "latent_image": ["21", 0],
        },
    },
    "21": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1024, "height": 1536}},
}
FLUX = {
    "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["9", 0], "clip": ["1", 0]}},
    "3": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["2", 0]}},
    "4": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0], "conditioning": ["3", 0]}},
    "5": {"class_type": "RandomNoise", "inputs": {"noise_seed": 5}},
    "6": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "7": {
        "class_type": "BasicScheduler",
        "inputs": {"scheduler": "simple", "steps": 20, "denoise": 1, "model": ["1", 0]},
    },
    "8": {"class_type": "EmptySD3LatentImage", "inputs": {"width": ["11", 0], "height": 768}},
    "9": {"class_type": "StringConstant", "inputs": {"string": "a cat"}},
    "10": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {
            "noise": ["5", 0],
            "guider": ["4", 0],
            "sampler": ["6", 0],
            "sigmas": ["7", 0],
            "latent_image": ["8", 0],
        },
    },
    "11": {"class_type": "PrimitiveInt", "inputs": {"value": 512}},
}
FLUX_SAYS = {
    "Prompt": "a cat",
    "Steps": "20",
    "Sampler": "euler",
    "Schedule type": "simple",
    "Seed": "5",
    "Distilled CFG Scale": "3.5",
    "Model": "flux1-dev",
    "Size-1": "512",
    "Size-2": "768",
}
COMFY = [
    Case("comfy.png", "comfyui", COMFY_SAYS, {"prompt": json.dumps(comfy_graph()), "workflow": '{"nodes": []}'}),
    Case("comfy-two-passes.png", "comfyui", COMFY_SAYS, {"prompt": json.dumps({**UPSCALED, **comfy_graph()})}),
    Case("comfy-flux.png", "comfyui", FLUX_SAYS, {"prompt": json.dumps(FLUX)}),
    Case(
        "comfy-nan.png",
        "comfyui",
        COMFY_SAYS,
        {"prompt": json.dumps(comfy_graph(**{"30": {"class_type": "X", "inputs": {}, "is_changed": [float("nan")]}}))},
    ),
    Case("comfy.webp", "comfyui", COMFY_SAYS, plain={0x0110: "prompt:" + json.dumps(comfy_graph())}),
    Case(
        "comfy-circle.png",
        "comfyui",
        {"Seed": "5"},
        {"prompt": json.dumps(comfy_graph(**{"6": {"class_type": "C", "inputs": {"conditioning": ["6", 0]}}}))},
    ),
    Case("comfy-workflow.png", "comfyui", {}, {"workflow": '{"nodes": [{"id": 1, "type": "KSampler"}], "links": []}'}),
]

NOVELAI_JSON = {
    "prompt": "a cat",
    "steps": 20,
    "height": 768,
    "width": 512,
    "scale": 7.0,
    "seed": 5,
    "n_samples": 1,
    "noise_schedule": "karras",
    "sampler": "k_dpmpp_2m",
    "uc": "dog",
    "request_type": "PromptGenerateRequest",
}
NOVELAI_SAYS = USUAL | {"Sampler": "k_dpmpp_2m"}
NOVELAI_CHUNKS = {"Title": "NovelAI generated image", "Software": "NovelAI", "Source": "NovelAI Diffusion V4 37442FCA"}
NOVELAI = [
    Case(
        "novelai-3.png",
        "novelai",
        NOVELAI_SAYS,
        {**NOVELAI_CHUNKS, "Description": "a cat", "Comment": json.dumps(NOVELAI_JSON)},
    ),
    Case(
        "novelai-4.png",
        "novelai",
        NOVELAI_SAYS | {"Prompt": "a cat | a hat", "Negative prompt": "dog"},
        {
            **NOVELAI_CHUNKS,
            "Comment": json.dumps(
                {
                    **NOVELAI_JSON,
                    "v4_prompt": {"caption": {"base_caption": "a cat", "char_captions": [{"char_caption": "a hat"}]}},
                    "v4_negative_prompt": {"caption": {"base_caption": "dog", "char_captions": []}},
                }
            ),
        },
    ),
]

CORPUS = [*A1111, *FOOOCUS, *SWARM, *INVOKE, *COMFY, *NOVELAI]
