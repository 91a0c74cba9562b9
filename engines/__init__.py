"""The engine library: a model and a request in, finished files out. Importing it never imports torch."""

__version__ = "0.1.0"
