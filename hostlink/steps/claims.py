"""What VPP keeps of the host's traffic, as the operator is told of it: before a takeover and for as long as it lasts.

It stops nothing: many a node wants VPP to have its tunnels. But what VPP keeps never reaches the host, and that looks
like a fault of the takeover to whoever does not know.
"""

from __future__ import annotations

from hostlink.core.model import Problem
from hostlink.problems import problem
from hostlink.steps.context import Node
from hostlink.vpp.claims import Claims, in_words, read_claims


async def claimed(node: Node) -> tuple[Problem, ...]:
    """What the VPP of the node keeps now; nothing where there is none that can be used. Raises VppError."""
    dataplane = node.vpp.dataplane
    if dataplane is None or node.vpp.obstacles:
        return ()
    return notes(await read_claims(dataplane.session))


def notes(claims: Claims) -> tuple[Problem, ...]:
    """Each claim as its registered problem."""
    found = [problem("HL-209", words) for words in in_words(claims.protocols)]
    found += [problem("HL-210", words) for words in in_words(claims.ports)]
    if claims.icmp_errors:
        found.append(problem("HL-211", "the session layer has been enabled since VPP started"))
    found += [problem("HL-209", f"VPP does not tell: it has no command `{command}`") for command in claims.untold]
    return tuple(found)
