"""A stand-in for a model hub: a real server on loopback that speaks what hub clients ask, and misbehaves on order."""

from tests.hub.server import Hub
from tests.hub.shelf import Repository, Stored

__all__ = ["Hub", "Repository", "Stored"]
