"""The history: every made picture, found again by words, day, task, model or a star. The files are the truth.

The index is a cache in SQLite; when it is lost or broken it is made again from the files and what they say of
themselves. Favourites are the one thing that no file says, and have a small file of their own.
"""

from app.history.picture import Picture, picture_id
from app.history.query import Query
from app.history.recorder import Recorder
from app.history.store import HistoryStore

__all__ = ["HistoryStore", "Picture", "Query", "Recorder", "picture_id"]
