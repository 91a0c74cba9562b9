"""What a prompt says: weights, changes over time, extra networks, chunks. Imports nothing heavy.

The order in which a prompt is read: wildcards and `{a|b}` (once, from the seed), `<lora:…>`, changes over time,
weights, chunks of tokens.
"""

from engines.prompt.attention import Fragment, parse_weights, render_weights
from engines.prompt.chunks import CHUNK, Chunk, Whole, split_chunks
from engines.prompt.dynamic import is_dynamic, settle
from engines.prompt.embeddings import is_ordinary_word, named_embeddings, split_words, used_embeddings
from engines.prompt.networks import Network, take_networks
from engines.prompt.plain import plain_text
from engines.prompt.schedule import Segment, after_pass, at_step, parse_schedule, render_schedule, segments
from engines.prompt.uses import lora_text, parse_lora, used_loras

__all__ = [
    "CHUNK",
    "Chunk",
    "Fragment",
    "Network",
    "Segment",
    "Whole",
    "after_pass",
    "at_step",
    "is_dynamic",
    "is_ordinary_word",
    "lora_text",
    "named_embeddings",
    "parse_lora",
    "parse_schedule",
    "parse_weights",
    "plain_text",
    "render_schedule",
    "render_weights",
    "segments",
    "settle",
    "split_chunks",
    "split_words",
    "take_networks",
    "used_embeddings",
    "used_loras",
]
