"""Join a Ray cluster and take a lane for each of its cards, or for each node where there are none."""

from __future__ import annotations

import os
from typing import Any

from app.cluster.lane import RayLane
from engines.api import ResourceError, UserError

SCHEME = "ray://"
AUTO = "auto"  # the cluster that this computer belongs to
# Ray counts its users unless it is told not to; nothing may call home.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_DEDUP_LOGS": "0"}


def lanes_of(address: str) -> tuple[RayLane, ...]:
    """The lanes of "ray://auto" or "ray://HOST:PORT", the head's own address.

    Raises `UserError("lane-unknown")`, `ResourceError("ray-missing")` or `ResourceError("ray-unreachable")`.
    """
    place = address.removeprefix(SCHEME)
    if place == address or not place:
        raise UserError("lane-unknown", lane=address)
    ray = _connected(place)
    resources = ray.cluster_resources()
    if cards := int(resources.get("GPU", 0)):
        return tuple(RayLane(ray, {"num_gpus": 1, "num_cpus": 0}) for _ in range(cards))
    able = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not able:
        raise ResourceError("ray-unreachable", address=address, why="none of its nodes has a processor to give")
    return tuple(RayLane(ray, {"num_cpus": 1}) for _ in able)


def leave() -> None:
    """Disconnect from the cluster, which goes on."""
    import ray

    ray.shutdown()


def _connected(place: str) -> Any:
    os.environ.update(QUIET)
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ResourceError("ray-missing") from error
    try:
        ray.init(address=place, namespace="easel", log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray raises many kinds, of its own and of gRPC
        why = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ResourceError("ray-unreachable", address=f"{SCHEME}{place}", why=why.rstrip(".")) from error
    return ray
