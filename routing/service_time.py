"""How long a stop takes."""

CLUSTER_S = 120.0
CONTAINER_S = 60.0


def service_s(containers: int) -> float:
    """Return the seconds that emptying so many containers of one cluster takes, arriving and leaving included.

    References
    ----------
    2 minutes for each cluster and 1 for each container: arXiv 2409.13386, section on Groningen.

    >>> service_s(2)
    240.0
    """
    return CLUSTER_S + CONTAINER_S * containers
