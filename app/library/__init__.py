"""The shelves: where models lie, in whose layout, and what was found there, remembered between starts.

Nothing is copied, moved or written in a folder that is shared with another program.
"""

from app.library.index import ModelIndex
from app.library.layouts import Root, find_programs, recognise
from app.library.shelf import ModelFile, scan_roots

__all__ = ["ModelFile", "ModelIndex", "Root", "find_programs", "recognise", "scan_roots"]
