"""Every scenario: importing the modules registers them."""

from tools.vpp_records import changes, interface_requests, node_requests, packets4, packets6, sizes  # noqa: F401
from tools.vpp_records.scenario import SCENARIOS as SCENARIOS
