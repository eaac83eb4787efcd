"""Layer: tests of the bridge to Dask.  One cluster of two processes for all."""

import pytest
from distributed import Client, LocalCluster


@pytest.fixture(scope="session")
def client():
    """Return the cluster's client."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
