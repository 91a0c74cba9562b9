"""Models that are one file, or a lone denoiser with parts from elsewhere: put together offline, from data alone."""

from engines.single_file.load import load_single_file

__all__ = ["load_single_file"]
