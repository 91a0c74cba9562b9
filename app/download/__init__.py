"""Fetching models: the only place of Easel that talks to other computers, and only when somebody asked for a model."""

from app.download.downloader import Downloader, DownloadNews
from app.download.plan import HUB, Piece, Plan
from app.download.records import DownloadRecord, DownloadState

__all__ = ["HUB", "DownloadNews", "DownloadRecord", "DownloadState", "Downloader", "Piece", "Plan"]
