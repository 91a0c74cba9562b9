"""The engine library: a model and a request in, finished files out. Importing it never imports torch."""
