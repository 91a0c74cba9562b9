"""The guard before the page: only the window that was given a token, on this very address, gets an answer.

A server on loopback can be reached by any page of any browser on the computer, through names that lead to 127.0.0.1,
and Gradio checks none of that. So every request must name the exact host, come from our own origin and carry a cookie
that a one-time token was exchanged for.
"""

from app.ui.guard.access import Access
from app.ui.guard.guard import Guard

__all__ = ["Access", "Guard"]
