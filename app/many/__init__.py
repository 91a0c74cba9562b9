"""Many wishes at once: grids over any setting, lists of prompts. Each picture is an ordinary job with its own record."""
