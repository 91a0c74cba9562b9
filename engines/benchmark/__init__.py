"""Both sides of `easel benchmark`, each in a process of its own: Easel's engine, and plain diffusers on the same weights."""
