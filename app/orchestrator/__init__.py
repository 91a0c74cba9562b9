"""The one place where jobs run: admitted into the ledger, made one after the other, published, told about.

A wish goes through the modules in this order: `admission` checks it, `queue` holds it, `dispatcher` takes it for a lane,
`runner` drives it to its end with a `context` and, after an error, by `recovery`; `state_changes` writes down and tells what
becomes of it. `read_ahead` reads the next model meanwhile. `Orchestrator` puts them together and is all that faces know.

Threads: faces call from any thread; each lane has one thread of its own, in which its jobs run from end to end and their
news is told. There are two locks, and neither is taken while the other is held:

- `JobQueue`'s condition guards whether the queue is paused or closing, the jobs that were called, and the running jobs'
  tokens. A look at the ledger and the change that rests on it happen under it, so that no lane takes a job in the moment
  in which it is stopped or moved. Whoever waits for any change waits on it. No news is told under it.
- `Dispatcher`'s lock guards the list of the lanes' threads.

Below both are the ledger's own lock, the hubs' and the prefetch's: they call nobody back.
"""

from app.orchestrator.orchestrator import Orchestrator

__all__ = ["Orchestrator"]
