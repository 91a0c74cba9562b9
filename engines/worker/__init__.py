"""The engine in a process of its own: the window survives whatever happens here."""
