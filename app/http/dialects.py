"""Which dialect an address belongs to: its errors come in the shape that the dialect's clients read."""

from __future__ import annotations

from collections.abc import Mapping

# The first part of the address, and what the extension does in words that complete "Easel does not have …".
EXTENSIONS: Mapping[str, str] = {
    "promptgen": "a model that goes on with prompts",
    "model_keyword": "a list of models' keywords",
    "instruct-pix2pix": "a route of its own for pictures by instruction; families that follow instructions do img2img",
    "rembg": "a model that takes backgrounds away",
    "sam": "a model that cuts things out of pictures",
    "tagger": "a model that describes pictures",
    "adetailer": "a model that finds faces",
    "faceswaplab": "a model that exchanges faces",
    "roop": "a model that exchanges faces",
    "reactor": "a model that exchanges faces",
    "deforum_api": "Deforum's animations; POST /v1/videos makes videos",
    "agent-scheduler": "another queue; /api/jobs is Easel's own",
}
A1111 = ("sdapi", "controlnet", *EXTENSIONS)


def is_openai(path: str) -> bool:
    """Whether OpenAI's clients ask there."""
    return path.startswith("/v1/")


def is_a1111(path: str) -> bool:
    """Whether A1111's clients ask there, its extensions' included."""
    return path.lstrip("/").partition("/")[0] in A1111
