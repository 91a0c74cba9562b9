"""ComfyUI: the graph that made the picture, walked from its sampler back to words, model and size. Nothing of it is run.

`prompt` holds the graph as it was queued: {"3": {"class_type": "KSampler", "inputs": {"seed": 5, "positive": ["6", 0]}}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engines.media.foreign.values import (
    Foreign,
    first,
    json_object,
    model_name,
    plain,
    settings_of,
    with_loras,
    with_size,
)

DEPTH = 60  # links that are followed: graphs of people have a dozen, a circle has no end
NODES_MOST = 5000
TEXTS = (
    "text",
    "text_g",
    "prompt",
    "string",
    "value",
    "positive_prompt",
    "wildcard_text",
    "text_positive",
    "clip_l",
    "t5xxl",
)
THROUGH = ("conditioning", "conditioning_1", "conditioning_to", "cond1", "text", "string", "value", "conditioning_2")
MODELS = ("ckpt_name", "unet_name", "model_name", "base_ckpt_name", "gguf_name")
STRENGTHS = ("strength_model", "lora_wt", "strength", "weight")

Node = Mapping[str, Any]


def read(texts: Mapping[str, str]) -> Foreign | None:
    """The graph under "prompt"; videos of VideoHelperSuite have it inside "comment"."""
    graph, raw = _graph(texts)
    if not graph:
        text = texts.get("workflow", "")
        return Foreign("comfyui", {}, text) if json_object(text).get("nodes") else None
    sampler = _sampler(graph)
    return Foreign("comfyui", _settings(graph, sampler) if sampler is not None else {}, raw)


def _graph(texts: Mapping[str, str]) -> tuple[dict[str, Node], str]:
    inside = json_object(first(texts, "comment", "Comment"))
    for text in (texts.get("prompt"), inside.get("prompt")):
        found = text if isinstance(text, dict) else json_object(text)
        nodes = {str(key): node for key, node in found.items() if _is_node(node)}
        if nodes and len(nodes) <= NODES_MOST:
            return nodes, text if isinstance(text, str) else str(first(texts, "comment", "Comment"))
    return {}, ""


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _sampler(graph: Mapping[str, Node]) -> Node | None:
    """The sampler that begins with nothing, or the first there is: a second pass starts from the first one's picture."""
    found = [node for node in graph.values() if _samples(node)]
    fresh = [node for node in found if _latent(graph, node) is not None]
    return next(iter(fresh or found), None)


def _samples(node: Node) -> bool:
    inputs = node["inputs"]
    return ("positive" in inputs and "negative" in inputs and ("steps" in inputs or "sigmas" in inputs)) or (
        "guider" in inputs and "sigmas" in inputs
    )


def _settings(graph: Mapping[str, Node], sampler: Node) -> dict[str, str]:
    inputs = sampler["inputs"]
    guider = _target(graph, inputs.get("guider")) or sampler
    sigmas = _target(graph, inputs.get("sigmas")) or sampler
    positive = first(guider["inputs"], "positive", "conditioning")
    chain = list(_chain(graph, first(guider["inputs"], "model") or inputs.get("model"), "model"))
    chooser = _target(graph, inputs.get("sampler"))
    size = _latent(graph, sampler)
    denoise = _value(graph, first(sigmas["inputs"], "denoise"))
    settings = settings_of(
        (
            ("Prompt", with_loras(_words(graph, positive), _loras(graph, chain))),
            ("Negative prompt", _words(graph, guider["inputs"].get("negative"))),
            ("Steps", _value(graph, sigmas["inputs"].get("steps"))),
            ("Sampler", _value(graph, first((chooser or sampler)["inputs"], "sampler_name", "sampler"))),
            ("Schedule type", _value(graph, sigmas["inputs"].get("scheduler"))),
            ("CFG scale", _value(graph, first(guider["inputs"], "cfg", "cfg_conds"))),
            ("Distilled CFG Scale", _guidance(graph, positive)),
            ("Seed", _seed(graph, inputs)),
            ("Model", _model(graph, chain)),
            ("Denoising strength", denoise if size is None else None),
            ("Version", "ComfyUI"),
        )
    )
    return with_size(settings, *size) if size else settings


def _seed(graph: Mapping[str, Node], inputs: Mapping[str, Any]) -> Any:
    noise = _target(graph, inputs.get("noise"))
    given = first(noise["inputs"] if noise else inputs, "noise_seed", "seed")
    return _value(graph, first(inputs, "noise_seed", "seed") if given is None else given)


def _target(graph: Mapping[str, Node], link: Any) -> Node | None:
    """The node that a link, [id, output], comes from."""
    return graph.get(str(link[0])) if isinstance(link, list) and len(link) == 2 else None


def _value(graph: Mapping[str, Node], value: Any, depth: int = 0) -> Any:
    """A value as it is, or what the node behind a link holds: numbers and texts have nodes of their own."""
    node = _target(graph, value)
    if node is None or depth > DEPTH:
        return value
    held = first(node["inputs"], "value", "seed", "int", "float", "string", "text", "Value", "noise_seed", "number")
    return _value(graph, held, depth + 1)


def _words(graph: Mapping[str, Node], link: Any, depth: int = 0) -> str:
    """The text behind a conditioning, through whatever stands between."""
    node = _target(graph, link)
    if node is None or depth > DEPTH:
        return ""
    for name in TEXTS:
        value = node["inputs"].get(name)
        if isinstance(value, str) and value.strip():
            return value
    for name in (*THROUGH, *TEXTS, "positive"):
        if found := _words(graph, node["inputs"].get(name), depth + 1):
            return found
    return ""


def _guidance(graph: Mapping[str, Node], link: Any) -> Any:
    for node in _chain(graph, link, "conditioning"):
        if "guidance" in node["inputs"]:
            return _value(graph, node["inputs"]["guidance"])
    return None


def _chain(graph: Mapping[str, Node], link: Any, name: str) -> Iterator[Node]:
    """The nodes that one comes to by following the input `name`."""
    for _ in range(DEPTH):
        node = _target(graph, link)
        if node is None:
            return
        yield node
        link = node["inputs"].get(name)


def _model(graph: Mapping[str, Node], chain: list[Node]) -> str | None:
    for node in chain:
        if (name := model_name(_value(graph, first(node["inputs"], *MODELS)))) is not None:
            return name
    return None


def _loras(graph: Mapping[str, Node], chain: list[Node]) -> list[tuple[Any, Any]]:
    """From the model's end to the sampler's, as they were applied."""
    found = []
    for node in reversed(chain):
        inputs = node["inputs"]
        if plain(inputs.get("lora_name")):
            found.append((_value(graph, inputs["lora_name"]), _value(graph, first(inputs, *STRENGTHS))))
        for value in inputs.values():  # loaders for several have a small object for each
            if isinstance(value, dict) and value.get("on") is not False and plain(value.get("lora")):
                found.append((value["lora"], value.get("strength")))
    return found


def _latent(graph: Mapping[str, Node], sampler: Node) -> tuple[Any, Any] | None:
    """Width and height of an empty latent; None when it begins with a picture."""
    for name in ("latent_image", "samples", "latent"):
        for node in _chain(graph, sampler["inputs"].get(name), "samples"):
            inputs = node["inputs"]
            if "width" in inputs and "height" in inputs and "pixels" not in inputs and "samples" not in inputs:
                return _value(graph, inputs["width"]), _value(graph, inputs["height"])
    return None
