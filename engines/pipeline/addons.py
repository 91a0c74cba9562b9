"""What a request puts on a loaded model beside its own parts: another VAE, LoRAs, embeddings, IP-Adapters, ControlNets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engines.interface import RunContext
from engines.media.infotext import LORA
from engines.options import EMBEDDING, VAE
from engines.pipeline.controls import ControlHooks
from engines.pipeline.embeddings import Embeddings
from engines.pipeline.encode import Conditions, TextEncodings
from engines.pipeline.guides import Guides
from engines.pipeline.loaded import LoadedModel
from engines.pipeline.looks import Looks
from engines.pipeline.loras import LoraStack
from engines.pipeline.passes import Pass
from engines.pipeline.steps import StepHooks
from engines.pipeline.vaes import VaeChoice
from engines.prompt import used_embeddings, used_loras
from engines.types import GenerationRequest


class Addons:
    """Kept with the model, so that each file is read once; and the words, which are encoded under them."""

    def __init__(self, model: LoadedModel) -> None:
        family, device = model.family, model.placement.device
        dtype = model.placement.torch_dtype(family.denoiser)
        self._model = model
        self.loras = LoraStack()
        self.vaes = VaeChoice(model.parts.get("vae"), device, family.title)
        self.looks = Looks(family, device, dtype)
        self.guides = Guides(family, device, dtype)
        self.encodings = TextEncodings(family, device)
        self.seen: dict[str, Any] = {}  # what the IP-Adapters in use saw, as the pipeline takes it
        self._lora_hashes: dict[str, str] = {}
        self._words: Any = ()  # the LoRAs under which the kept texts were encoded

    def use_vae(self, request: GenerationRequest, ctx: RunContext, pipelines: Iterable[Any]) -> None:
        """Put the request's VAE, or the model's own, in its place in the model and its `pipelines`. Raises `UserError`."""
        path = ctx.files.get(f"{VAE}{request.vae}")
        self._model.parts["vae"] = self.vaes.use(request.vae, path, pipelines)

    def use(self, pipe: Any, request: GenerationRequest, ctx: RunContext) -> None:
        """Put the rest on the model; words that were encoded with other LoRAs are encoded anew. Raises `UserError`."""
        self._lora_hashes = self.loras.use(pipe, used_loras(request), ctx.files)
        self.encodings.embeddings = Embeddings(ctx.files)
        self.seen = self.looks.use(pipe, request, ctx)
        if self.loras.words != self._words:
            self.encodings.clear()
        self._words = self.loras.words

    def encode(self, pipe: Any, request: GenerationRequest) -> Conditions:
        """The conditions of the request's words, made now or kept from before."""
        return self.encodings.get(pipe, request)

    def controls(
        self, pipe: Any, one_pass: Pass, pictures: tuple[Any, ...], hooks: StepHooks, ctx: RunContext
    ) -> ControlHooks:
        """The pass's ControlNets, at work while the block runs. Raises `UserError`."""
        denoisers = self._model.denoisers
        found = self.guides.controls(pipe, denoisers[0], one_pass, pictures, ctx)
        return ControlHooks(found, self.guides.kind, pipe, denoisers, hooks)

    def hashes(self, request: GenerationRequest) -> dict[str, str]:
        """Of the files that the request's picture was made with, as infotexts have them, by kind and name."""
        hashes = {f"{LORA}{name}": hash_ for name, hash_ in self._lora_hashes.items()}
        words = f"{request.prompt}\n{request.negative_prompt}"
        used = used_embeddings(words, self.encodings.embeddings.hashes)
        hashes |= {f"{EMBEDDING}{name}": hash_ for name, hash_ in used.items()}
        return hashes | ({f"{VAE}{request.vae}": self.vaes.hash} if request.vae else {})
