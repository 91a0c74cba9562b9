"""`easel benchmark`: Easel beside plain diffusers on the same weights, in one run and in turn. The method: docs/benchmark.md.

Each group of rows is a module of `app.benchmark.rows` and is listed in `app.benchmark.registry`.
"""
