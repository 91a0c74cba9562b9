"""The wish side of a tab: what to draw, from what, how large and how well; everything else under Advanced.

A form holds no state of its own. What stands in it is a `Draft` in the store; each change goes there, and each update
of the page is worked out from there, so that a reload, a second window or a crash shows the same form again.
"""

from app.ui.form.form import GenerationForm

__all__ = ["GenerationForm"]
