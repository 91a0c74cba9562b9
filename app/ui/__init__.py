"""The page: a Gradio app behind a guard, served on this computer alone."""
