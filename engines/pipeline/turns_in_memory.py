"""On a processor with little memory: text encoders and denoisers take each other's room. The file is read again for each turn."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module

log = logging.getLogger(__name__)

Load = Callable[[tuple[str, ...]], dict[str, Any]]


class TurnsInMemory:
    """Whoever is called is there; the others are shells on torch's meta device, which hold shapes and no numbers.

    `groups` are names of parts that are wanted together. The first call of a part's `forward` brings its group.
    """

    def __init__(self, groups: Mapping[str, tuple[str, ...]], load: Load) -> None:
        self._groups, self._load = groups, load
        self._parts: dict[str, Any] = {}
        self._there = ""
        self.reads = 0  # how often a group was brought, for tests and the log

    def begin(self) -> dict[str, Any]:
        """All parts of all groups by name: the last group whole, the others as shells."""
        for group, names in self._groups.items():
            self._leave()
            self._parts |= self._load(names)
            self._there = group
            for name in names:
                if isinstance(self._parts[name], torch.nn.Module):
                    add_hook_to_module(self._parts[name], _Bring(self, group))
        return self._parts

    def need(self, group: str) -> None:
        """Bring the group, unless it is there."""
        if group == self._there:
            return
        self._leave()
        log.info("parts=%s take their turn in memory", ",".join(self._groups[group]))
        for name, fresh in self._load(self._groups[group]).items():
            if isinstance(fresh, torch.nn.Module):
                _fill(self._parts[name], fresh)
        self._there = group
        self.reads += 1

    def _leave(self) -> None:
        for name in self._groups.get(self._there, ()):
            if isinstance(self._parts[name], torch.nn.Module):
                self._parts[name].to("meta")
        self._there = ""
        gc.collect()


class Stay(ModelHook):
    """accelerate's hook is the one that the pipelines know: they ask any part's where the work is done, so all have one."""

    execution_device = "cpu"


class _Bring(Stay):
    """Brings its group before a part works."""

    def __init__(self, turns: TurnsInMemory, group: str) -> None:
        self._turns, self._group = turns, group

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Before each call."""
        self._turns.need(self._group)
        return args, kwargs


def _fill(shell: torch.nn.Module, fresh: torch.nn.Module) -> None:
    """Put the numbers of `fresh` into the shell, buffers that no file holds included."""
    for target, source in zip(shell.modules(), fresh.modules(), strict=True):
        target._parameters.update(source._parameters)
        target._buffers.update(source._buffers)
