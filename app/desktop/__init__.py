"""The shell: a native window (or the browser) around the page, one for each data folder. Light: no torch in here."""
