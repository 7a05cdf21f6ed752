"""Prices in cents, shared by all services."""


def gross(net: int) -> int:
    """The price with 19 % tax."""
    return net * 119 // 100
