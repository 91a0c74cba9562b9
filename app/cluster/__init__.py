"""Lanes on other computers: the same engine, run by Ray on the nodes of a cluster. An extra; see `docs/ray.md`."""
