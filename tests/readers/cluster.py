"""A Ray cluster of several workers on this machine, each a node of its own."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def workers(count: int) -> Iterator[None]:
    """A head without work of its own and so many nodes of one processor."""
    import ray
    from ray.cluster_utils import Cluster

    nodes = {"num_cpus": 1, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**nodes, "num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(count):
            cluster.add_node(**nodes)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()
