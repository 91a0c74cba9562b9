"""A denoiser as one graph of OpenVINO's, made from the calls that it is given; float32, with torch's number of threads."""

from __future__ import annotations

import logging
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as pytree

from engines.errors import ResourceError

log = logging.getLogger(__name__)

# Graphs of one denoiser that are kept, by shape and LoRAs. Two, because steps with guidance and without it, or the passes of
# a picture, have two shapes; `engines.demand` counts on it.
KEPT = 2
SECONDS_FOR_GB = 5  # of weights in float32, on two cores of 2026: for the sentence before
# Without the first, OpenVINO computes in bfloat16 where the processor has it (docs/accelerators.md has the differences).
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
LIMIT = 1e-3  # of the deviation of what torch says; it was 0.00001 for full-size models
TELEMETRY = "openvino_telemetry"


class WholeGraph:
    """While it is installed, calls of `denoiser` run in OpenVINO. Another shape or other LoRAs (`state`) make another graph."""

    def __init__(self, denoiser: Any, state: Callable[[], object], preparing: Callable[..., Any]) -> None:
        self._denoiser, self._state, self._preparing = denoiser, state, preparing
        self._graphs: OrderedDict[object, _Graph] = OrderedDict()
        self._own: Any = None

    def install(self) -> None:
        """Put it in the place of the denoiser's `forward`."""
        self._own = self._denoiser.__dict__.get("forward")
        self._forward = self._denoiser.forward
        self._denoiser.forward = self._call

    def remove(self) -> None:
        """Give the denoiser its own `forward` back; the graphs stay."""
        if self._own is None:
            self._denoiser.__dict__.pop("forward", None)
        else:
            self._denoiser.forward = self._own

    @property
    def name(self) -> str:
        """OpenVINO and its version."""
        return f"openvino {_openvino().__version__.split('-')[0]}"

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        key = (self._state(), spec, tuple(map(_mark, leaves)))
        if key not in self._graphs:
            self._make_room()
            self._graphs[key] = self._preparing(
                self._note(), lambda: _Graph(self._denoiser, self._forward, leaves, spec)
            )
        self._graphs.move_to_end(key)
        return self._graphs[key].run(leaves)

    def _make_room(self) -> None:
        """Before the next graph is made: each has the weights once more."""
        while len(self._graphs) >= KEPT:
            self._graphs.popitem(last=False)

    def _note(self) -> str:
        bytes_ = sum(each.numel() for each in self._denoiser.parameters()) * 4
        return f"OpenVINO prepares the model; it takes about {max(5, round(bytes_ / 1e9 * SECONDS_FOR_GB))} s, once."


class _Traced(torch.nn.Module):
    """The denoiser as a function of tensors alone: all else in its call is as it was."""

    def __init__(self, denoiser: Any, forward: Callable[..., Any], leaves: list[Any], spec: Any) -> None:
        super().__init__()
        self.denoiser = denoiser  # its weights belong to the graph
        self._forward, self._leaves, self._spec = forward, leaves, spec
        self.answer: Any = None  # how the answer's tensors hang together
        self.said: list[torch.Tensor] = []  # what torch itself says to the example

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The tensors of the denoiser's answer."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(each, torch.Tensor) else each for each in self._leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        self.said, self.answer = pytree.tree_flatten(self._forward(*args, **kwargs))
        return tuple(self.said)


class _Graph:
    """A compiled graph for calls of one shape."""

    def __init__(self, denoiser: Any, forward: Callable[..., Any], leaves: list[Any], spec: Any) -> None:
        openvino = _openvino()
        from openvino.frontend import FrontEndManager  # pyright: ignore
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # pyright: ignore

        tensors = tuple(each for each in leaves if isinstance(each, torch.Tensor))
        traced = _Traced(denoiser, forward, leaves, spec).eval()
        with _quiet():
            read = TorchScriptPythonDecoder(traced, example_input=tensors, trace_kwargs={"check_trace": False})
            front = FrontEndManager().load_by_framework("pytorch")
            model = front.convert(front.load(read))
        model.reshape({place: openvino.PartialShape(list(each.shape)) for place, each in enumerate(tensors)})
        options = {**EXACT, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        self._request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
        self._answer = traced.answer
        self._check(leaves, traced.said)

    def _check(self, leaves: list[Any], wanted: list[torch.Tensor]) -> None:
        """Raises `ResourceError` for a graph with other numbers than torch's: a tracer can take a wrong turn in silence."""
        found = pytree.tree_leaves(self.run(leaves))
        offs = [difference(first, second) for first, second in zip(wanted, found, strict=True)]
        log.info("graph differences=%s of the deviation", offs)
        for off in offs:
            if off <= LIMIT:  # what is not a number is not
                continue
            raise ResourceError("accelerator-differs", off=f"{off:.2g}", limit=f"{LIMIT:g}")

    def run(self, leaves: list[Any]) -> Any:
        """The denoiser's answer to a call of the graph's shape."""
        tensors = [each for each in leaves if isinstance(each, torch.Tensor)]
        given = {place: each.detach().contiguous().numpy() for place, each in enumerate(tensors)}
        said = self._request.infer(given, share_inputs=True)
        found = [torch.from_numpy(said[place]) for place in range(len(said))]
        return pytree.tree_unflatten(found, self._answer)


def difference(wanted: torch.Tensor, found: torch.Tensor) -> float:
    """The largest difference of two tensors, in parts of the deviation of the first."""
    wanted, found = wanted.double(), found.double()
    spread = float(wanted.std()) if wanted.numel() > 1 else 1.0
    return float((wanted - found).abs().max()) / max(spread, 1e-6)


def _mark(leaf: Any) -> object:
    """What a graph is bound to: a tensor's shape and type, and everything else as it is."""
    return (tuple(leaf.shape), leaf.dtype) if isinstance(leaf, torch.Tensor) else leaf


def _openvino() -> Any:
    """OpenVINO without the part of it that tells its maker over the network when it is imported."""
    sys.modules.setdefault(TELEMETRY, None)  # pyright: ignore
    import openvino  # pyright: ignore

    return openvino


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of each test of a shape; the graph is for one shape alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
