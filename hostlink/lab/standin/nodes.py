"""Importing this registers every node of the graph."""

from __future__ import annotations

from hostlink.lab.standin import (  # noqa: F401
    node_arp,
    node_ethernet,
    node_icmp4,
    node_icmp6,
    node_ip4,
    node_ip6,
    node_nd,
    node_punt,
    reassembly,
)
