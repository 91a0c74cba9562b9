"""The pages of `docs/families/`: one for each family and a table of all, from the families' descriptions alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

GIGABYTE = 1024**3
GUIDES = ("weighted words", "embeddings", "LoRA", "ControlNet", "IP-Adapter", "another VAE")
FORMATS = (("16 bits", 2.0), ("8 bits", 1.06), ("4 bits", 0.58))  # bytes a parameter, with the scales of each block
GUIDANCE = {
    "classifier-free": "Real guidance: the model runs twice a step, once for the negative prompt. At {off:g} and below it is"
    " off, and each step takes half the time.",
    "embedded": "A number that the model was distilled with: one run a step, and no negative prompt.",
    "none": "The model was distilled to one value: the number changes nothing, and there is no negative prompt.",
}


def families_page() -> str:
    """The table of all families, each linked to its page."""
    from engines.api import Task, families

    tasks = [task for task in Task if any(task in _all_tasks(each) for each in families())]
    rows = [
        (f"[{each.title}](families/{each.id}.md)", *(_mark(task, each) for task in tasks), each.summary)
        for each in families()
    ]
    text = _table(("family", *map(str, tasks), "in short"), rows)
    guides = _table(("family", *GUIDES), [(each.title, *_guides(each)) for each in families() if any(_guides(each))])
    return (
        f"# Model families\n\n{text}\nA variant's name stands where a variant alone can do the task.\n\n"
        f"## What guides their pictures\n\n{guides}\nHow each is used: [controls](controls.md).\n"
    )


def _guides(family: Any) -> tuple[str, ...]:
    """What can be put on a family's models, in the order of `GUIDES`."""
    files = family.detection.files
    another_vae = family.video is None and "vae" in family.parts
    able = (
        family.text.weights,
        family.text.weights and "embedding" in files,
        "lora" in files and family.video is None,  # the engine for videos does not put them on
        family.control is not None,
        family.ip_adapters,
        another_vae,
    )
    return tuple("yes" if each else "" for each in able)


def family_pages() -> dict[str, str]:
    """Every family's page by file name."""
    from engines.api import families

    return {f"{each.id}.md": _page(each) for each in families()}


def _page(family: Any) -> str:
    parts = [f"# {family.title}\n\n{family.summary}\n"]
    parts.append(f"`{family.id}`\n\n## Variants and their values\n\n{_variants(family)}")
    parts.append(f"## Guidance\n\n{_guidance(family)}")
    parts.append(f"## Words\n\n{_words(family)}")
    able = [name for name, mark in zip(GUIDES, _guides(family), strict=True) if mark]
    if able:
        parts.append(f"## What guides a picture\n\n{_list(able)}: see [controls](../controls.md).\n")
    parts.append(f"## Sizes and limits\n\n{_limits(family)}")
    parts.append(f"## Samplers\n\n{_list(family.samplers)}\n\nSchedules: {_list(family.schedulers)}\n")
    parts.append(f"## Parts and memory\n\n{_memory(family)}")
    return "\n".join(parts)


def _made(family: Any) -> list[Any]:
    return [family, *(family.as_variant([name]) for name in family.changes)]


def _all_tasks(family: Any) -> dict[Any, list[str]]:
    """Tasks, and the variants that can do them; "" is the family itself."""
    found: dict[Any, list[str]] = {}
    for made in _made(family):
        for task in made.tasks:
            found.setdefault(task, []).append("".join(made.variants))
    return found


def _mark(task: Any, family: Any) -> str:
    able = _all_tasks(family).get(task, [])
    return "yes" if "" in able else ", ".join(able)


def _variants(family: Any) -> str:
    rows = []
    for made in _made(family):
        values = made.defaults
        size = f"{values['width']} x {values['height']}"
        sampler = f"{values['sampler']}, {values['scheduler']}"
        rows.append(
            (
                "".join(made.variants) or "the family",
                "<br>".join(f"{task}: {made.pipelines[task]}" for task in made.tasks),
                size,
                values["steps"],
                f"{values['guidance']:g}",
                sampler,
            )
        )
    known = sorted(set(family.detection.variants) - set(family.changes))
    more = f"\nTold apart, and used like the family itself: {', '.join(known)}.\n" if known else ""
    return _table(("variant", "tasks and their pipelines", "size", "steps", "guidance", "sampler"), rows) + more


def _guidance(family: Any) -> str:
    lines: dict[str, list[str]] = {}
    for made in _made(family):
        text = GUIDANCE[made.guidance.kind].format(off=made.guidance.off)
        lines.setdefault(text, []).append("".join(made.variants) or "the family")
    return "".join(f"- {', '.join(names)}: {text}\n" for text, names in lines.items())


def _words(family: Any) -> str:
    rules = family.text
    weights = (
        "Weights such as `(word:1.3)`, `BREAK` and long prompts work."
        if rules.weights
        else ("The encoder reads sentences: weights and other markup of A1111's grammar do not apply.")
    )
    room = f" It reads about {rules.tokens} tokens." if rules.tokens else ""
    return f"{weights}{room}\n"


def _limits(family: Any) -> str:
    limits = family.limits
    lines = [
        f"Sides of {limits.min_side} to {limits.max_side} pixels in steps of {limits.side_multiple},"
        f" {limits.max_pixels / 1e6:.1f} megapixels in all;",
        f"up to {limits.max_steps} steps, guidance up to {limits.max_guidance:g}.",
    ]
    lines += [f"For {task}: {pixels / 1e6:.1f} megapixels." for task, pixels in limits.task_pixels.items()]
    references = {made.limits.max_references for made in _made(family)}
    if max(references) > 1:
        lines.append(f"An edit can look at up to {max(references)} pictures.")
    return "\n".join(lines) + "\n"


def _memory(family: Any) -> str:
    parts = ", ".join(
        f"`{part}`" + (" (may be missing)" if part in family.optional_parts else "") for part in family.parts
    )
    rows = [
        ("".join(made.variants) or "the family", f"{made.memory.parameters:g}", *_sizes(made.memory.parameters))
        for made in _made(family)
        if made is family or made.memory != family.memory
    ]
    heads = ("variant", "billion parameters", *(f"GB at {name}" for name, _ in FORMATS))
    return (
        f"{parts}\n\n{_table(heads, rows)}\nAll parts together; the largest alone is what a card has to hold at once.\n"
    )


def _sizes(parameters: float) -> tuple[str, ...]:
    return tuple(f"{parameters * 1e9 * size / GIGABYTE:.1f}" for _, size in FORMATS)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
