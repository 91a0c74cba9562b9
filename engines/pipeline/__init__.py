"""The engine that most families share: diffusers pipelines with progress, cancel, checkpoints and checked results."""
