"""The queue of downloads: one at a time, each kept through kills, pauses and restarts of the computer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.download.finish import finish, free_place, is_placed
from app.download.pace import Pace
from app.download.plan import Plan
from app.download.records import DownloadRecord, DownloadState, RecordStore
from app.download.remove import remove_staging
from app.download.room import check_room, part_of, write_problem
from app.download.tokens import Tokens
from app.events import EventHub
from engines.api import EaselError, ErrorRecord, InternalError, UserError

if TYPE_CHECKING:  # what talks to servers is imported when somebody wants a model, not when Easel starts
    from app.download.web import Patience, Web

log = logging.getLogger(__name__)

NEWS_EVERY = 0.25  # seconds between two reports of progress
OPEN = frozenset({DownloadState.WAITING, DownloadState.RUNNING, DownloadState.PAUSED, DownloadState.FAILED})


@dataclass(frozen=True)
class DownloadNews:
    """A download as it is now: bytes that are there, speed in bytes a second. `elsewhere`: another program fetches it."""

    record: DownloadRecord
    there: int
    speed: float | None = None
    seconds_left: float | None = None
    elsewhere: bool = False
    gone: bool = False


class _Stop(Exception):
    """Raised in the thread that fetches, between two chunks, when somebody wants it to stop."""


class Downloader:
    """Plans, keeps and runs downloads. `root` and `endpoint` are asked anew each time: settings may change.

    `arrived` is called with the models folder when a model in it is complete.
    """

    def __init__(
        self,
        folder: Path,
        root: Callable[[], Path],
        endpoint: Callable[[], str],
        arrived: Callable[[Path], object] = lambda _root: None,
        tokens: Tokens | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._records, self._root, self.endpoint, self._arrived = RecordStore(folder), root, endpoint, arrived
        self.tokens = tokens or Tokens()
        self._patience = patience
        self._hub: EventHub[DownloadNews] = EventHub()
        self._wishes: dict[str, str] = {}
        self._latest: dict[str, DownloadNews] = {}
        self._lock, self._wake, self._closing = threading.RLock(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    # What a face asks for

    @property
    def root(self) -> Path:
        """The folder that new models go to."""
        return self._root()

    def plan(self, text: str, variant: str = "", card: Mapping[str, Any] | None = None) -> Plan:
        """Look an address or a repository up: files, sizes, licence. Fetches no model. Raises `EaselError`."""
        from app.download.address import plan_address

        web = self._web()
        try:
            return plan_address(web, self.endpoint(), text, variant, card)
        finally:
            web.close()

    def add(self, plan: Plan) -> DownloadRecord:
        """Put a plan in the queue. The same one twice is one download. Raises `ResourceError` when the disk is too small."""
        for record in self._records.all():
            if (record.plan.source, record.plan.revision, record.plan.name) == (plan.source, plan.revision, plan.name):
                if record.state is DownloadState.DONE and (record.place is None or not record.place.exists()):
                    self._records.remove(record.id)
                    continue
                return record if record.state is DownloadState.DONE else self.resume(record.id)
        root = self._root()
        check_room(root, plan.total or 0)
        record = DownloadRecord(plan=plan, root=root)
        self._keep(record)
        log.info("download added id=%s files=%d bytes=%s", record.id, len(plan.pieces), plan.total)
        self._wake.set()
        return record

    def all(self) -> list[DownloadNews]:
        """Every download that is not forgotten, the oldest first."""
        return [self._news(record) for record in self._records.all()]

    def pause(self, id_: str) -> None:
        """Stop it, keeping what is there."""
        self._wish(id_, "pause", lambda record: self._keep(record.with_(state=DownloadState.PAUSED)))

    def resume(self, id_: str) -> DownloadRecord:
        """Go on with a download that was paused or failed."""
        record = self._records.get(id_)
        with self._lock:
            self._wishes.pop(id_, None)
            if record.state in (DownloadState.PAUSED, DownloadState.FAILED):
                record = record.with_(state=DownloadState.WAITING, error=None)
                self._keep(record)
        self._wake.set()
        return record

    def cancel(self, id_: str) -> None:
        """Stop it and throw away what is there. A finished one is only forgotten: the model stays."""
        self._wish(id_, "cancel", self._discard)

    def subscribe(self, listener: Callable[[DownloadNews], None]) -> Callable[[], None]:
        """Hear of every change; the returned function ends that."""
        return self._hub.subscribe(listener)

    # The work

    def start(self) -> None:
        """Fetch what waits, from now on, in a thread; also what a killed program had begun."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._serve, name="downloads", daemon=True)
                self._thread.start()

    def run(self, id_: str) -> DownloadRecord:
        """Fetch one download here and now; returns its record. Raises what stopped it."""
        with self._records.hold(id_) as free:
            if not free:
                raise UserError("download-elsewhere")
            return self._work(self._records.get(id_), raises=True)

    def close(self, seconds: float = 3.0) -> None:
        """Stop at the next chunk; what is under way goes on at the next start."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            if not self._take_one():
                self._wake.wait(5)  # a download of another program that was killed is found then

    def _take_one(self) -> bool:
        for record in self._records.all():
            if record.state not in (DownloadState.WAITING, DownloadState.RUNNING):
                continue
            with self._records.hold(record.id) as free:
                if free:
                    self._work(record)
                    return True
        return False

    def _work(self, record: DownloadRecord, raises: bool = False) -> DownloadRecord:
        record = record.with_(state=DownloadState.RUNNING, error=None)
        self._keep(record)
        try:
            if not is_placed(record):
                record = self._fetch_all(record)
                record = record.with_(place=free_place(record.root / record.plan.name))
                self._records.save(record)  # a kill between this and the next line but one is seen by the place
                finish(record)
            record = record.with_(state=DownloadState.DONE)
            self._records.save(record)
            log.info("download done id=%s", record.id)
            self._arrived(record.root)  # before anybody hears of it: they will look for the model
            self._tell(DownloadNews(record, there(record)))
        except _Stop:
            record = self._stopped(self._records.get(record.id))
        except Exception as error:  # the thread goes on with the next one, whatever happened to this one
            known = _known(error, record)
            log.warning("download failed id=%s code=%s", record.id, known.code, exc_info=known is not error)
            record = self._records.get(record.id).with_(state=DownloadState.FAILED, error=asdict(ErrorRecord.of(known)))
            self._keep(record)
            if raises:
                raise known from error
        return record

    def _fetch_all(self, record: DownloadRecord) -> DownloadRecord:
        from app.download.fetch import Watch, fetch

        web, pace, before, id_ = self._web(), Pace(), 0, record.id
        check_room(record.root, (record.plan.total or 0) - there(record))
        try:
            for piece in record.plan.pieces:
                place = record.place_of(piece.path)
                if not (piece.path in record.hashes and place.is_file()):
                    watch = Watch(self._advance(record, pace, before), lambda: self._check(id_), self._sleep)
                    found = fetch(web, piece, place, watch)
                    record = record.with_(hashes={**record.hashes, piece.path: found})
                    self._records.save(record)
                before += place.stat().st_size
        finally:
            web.close()
        return record

    def _advance(self, record: DownloadRecord, pace: Pace, before: int) -> Callable[[int], None]:
        last = 0.0

        def advance(length: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < NEWS_EVERY:
                return
            last = now
            pace.add(before + length)
            self._tell(DownloadNews(record, before + length, pace.speed, pace.seconds_left(record.plan.total)))

        return advance

    def _check(self, id_: str) -> None:
        if self._closing.is_set() or id_ in self._wishes:
            raise _Stop

    def _sleep(self, seconds: float) -> None:
        """Between two tries; ends early when somebody wants something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._closing.is_set() and not self._wishes:
            self._closing.wait(min(0.2, seconds))

    def _stopped(self, record: DownloadRecord) -> DownloadRecord:
        wish = self._wishes.pop(record.id, "")
        if wish == "cancel":
            self._discard(record)
            return record
        record = record.with_(state=DownloadState.PAUSED if wish == "pause" else DownloadState.WAITING)
        self._keep(record)
        return record

    def _wish(self, id_: str, wish: str, at_once: Callable[[DownloadRecord], object]) -> None:
        """Ask the thread that works on it; where nobody does, do it here."""
        record = self._records.get(id_)
        with self._lock, self._records.hold(id_) as free:
            if free:
                at_once(record)
                return
            if not self._mine(id_):
                raise UserError("download-elsewhere")
            self._wishes[id_] = wish

    def _mine(self, id_: str) -> bool:
        latest = self._latest.get(id_)
        return latest is not None and latest.record.state is DownloadState.RUNNING

    def _discard(self, record: DownloadRecord) -> None:
        if record.state in OPEN:
            remove_staging(record)
        self._records.remove(record.id)
        self._latest.pop(record.id, None)
        self._hub.publish(DownloadNews(record, 0, gone=True))

    def _keep(self, record: DownloadRecord) -> None:
        self._records.save(record)
        self._tell(DownloadNews(record, there(record)))

    def _tell(self, news: DownloadNews) -> None:
        self._latest[news.record.id] = news
        self._hub.publish(news)

    def _news(self, record: DownloadRecord) -> DownloadNews:
        latest = self._latest.get(record.id)
        if latest is not None and latest.record.state is record.state:
            return latest
        elsewhere = record.state is DownloadState.RUNNING and not self._records.is_free(record.id)
        return DownloadNews(record, there(record), elsewhere=elsewhere)

    def _web(self) -> Web:
        from app.download.web import Web

        return Web(self.tokens.get, self._patience)


def there(record: DownloadRecord) -> int:
    """Bytes that are on the disk."""
    if record.state is DownloadState.DONE:
        return record.plan.total or 0
    places = [record.place_of(piece.path) for piece in record.plan.pieces]
    found = (path for place in places for path in (place, part_of(place)) if path.is_file())
    return sum(path.stat().st_size for path in found)


def _known(error: Exception, record: DownloadRecord) -> EaselError:
    if isinstance(error, EaselError):
        return error
    if isinstance(error, OSError):
        return write_problem(error, record.root)
    return InternalError("internal", what=f"{type(error).__name__}: {error}")
