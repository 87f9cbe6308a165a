"""Who prices the shards: this process, one after the other, or actors of a Ray cluster, each with a model."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, TypeAlias

from pricebench.errors import DataError, PricebenchError
from pricebench.scaling.cluster import ClusterError, cluster, last_line
from pricebench.scaling.manifest import Finished
from pricebench.scaling.pricing import Pricing, price_shard
from pricebench.scaling.shards import Shard
from pricebench.serving import Predictor

Price: TypeAlias = Callable[[Sequence[Shard]], Generator[Finished]]
"""Prices shards, and tells of each when its file is in its place; DataError where one cannot be read or written."""

# One that is priced, and one that waits for it: a node that is lost costs so many shards at most.
_SHARDS_PER_ACTOR = 2


@contextmanager
def here(pricing: Pricing, predictor: Predictor) -> Iterator[Price]:
    """Price shards in this process, in their order."""

    def price(shards: Sequence[Shard]) -> Generator[Finished]:
        for shard in shards:
            finished, words = _tried(pricing, predictor, shard)
            if finished is None:
                raise DataError(words)
            yield finished

    yield price


@contextmanager
def on_ray(pricing: Pricing, address: str | None = None) -> Iterator[Price]:
    """Price shards on a cluster, each as soon as an actor is free; in the order in which they are finished.

    An actor has one shard at hand and one that waits. When its node is lost, both are priced again elsewhere.

    Args:
        pricing: What actors need.
        address: Of the cluster; None for one of this machine.

    Raises:
        ClusterError: The cluster is not there, is too small, or was lost.
    """
    with cluster(address, needed_by="--engine ray") as ray:
        num_cpus = int(ray.cluster_resources().get("CPU", 0))
        if num_cpus < pricing.threads:
            raise ClusterError(
                f"--threads {pricing.threads}: expected a cluster with so many CPUs, found {num_cpus}. "
                "Take fewer threads."
            )
        yield partial(_price_on, ray, pricing, num_cpus // pricing.threads)


def _price_on(ray: Any, pricing: Pricing, num_actors: int, shards: Sequence[Shard]) -> Generator[Finished]:
    import ray.data as ray_data  # noqa: PLC0415 - an optional extra

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what goes wrong is raised, and told by us
    ray_data.DataContext.get_current().enable_progress_bars = False
    actor: Any = Actor  # Ray's types know functions only
    rows = [{"shard": json.dumps(shard.to_json())} for shard in shards]
    # A block a shard: what is scheduled, and done again when a node is lost, is one shard.
    priced = ray_data.from_items(rows, override_num_blocks=len(rows)).map(
        actor,
        fn_constructor_args=([ray.put(pricing)],),
        num_cpus=pricing.threads,
        compute=ray_data.ActorPoolStrategy(
            size=min(num_actors, len(rows)),
            max_tasks_in_flight_per_actor=_SHARDS_PER_ACTOR,
            max_concurrent_calls_per_actor=1,
        ),
    )
    try:
        for row in priced.iter_rows():
            answer = json.loads(row["answer"])
            if isinstance(answer, str):
                raise DataError(answer)
            yield Finished(**answer)
    except ray.exceptions.RayError as error:
        raise ClusterError(f"the cluster could not go on: {last_line(error)}. Go on with --resume.") from error


class Actor:
    """A process of a cluster that holds a model."""

    def __init__(self, pricing: list[Any]) -> None:
        """Fetch the model.

        Args:
            pricing: A reference to a `Pricing`, in a list, so that it is one: the model travels once to each node.
        """
        import ray  # noqa: PLC0415 - an optional extra

        self._pricing: Pricing = ray.get(pricing[0])
        self._predictor = self._pricing.predictor()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Price the shard that a row describes; what a user can cause is an answer, not an exception to be retried."""
        finished, words = _tried(self._pricing, self._predictor, Shard.from_json(json.loads(row["shard"])))
        return {"answer": json.dumps(words if finished is None else asdict(finished))}


def _tried(pricing: Pricing, predictor: Predictor, shard: Shard) -> tuple[Finished | None, str]:
    """A shard that was priced, or why it cannot be."""
    try:
        return price_shard(pricing, predictor, shard), ""
    except PricebenchError as error:
        return None, str(error)
    except OSError as error:
        return None, f"{shard.file}: cannot be written: {error.strerror or error}. Make room and go on with --resume."
