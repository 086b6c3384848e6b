"""What each key of the configuration is for. A test holds that each key is here, and nothing else."""

from __future__ import annotations

SECTIONS = {
    "vpp": ("[vpp]", "The VPP of the node."),
    "uplink": ("[[uplink]]", "An interface that hostlink takes over. At least one; each has its own table."),
    "uplink.match": ("match = { ... }", "How the interface is found. Exactly one of these:"),
    "paths": ("[paths]", "Optional."),
    "control": ("[control]", "Optional."),
    "metrics": ("[metrics]", "Optional, for Prometheus; needs the extra `hostlink[metrics]`."),
    "systemd": ("[systemd]", "Optional."),
    "cluster": ("[cluster]", "Optional: routes towards the cluster, through VPP, on the host's interface."),
    "timing": ("[timing]", "Optional."),
}
"""Title and text of each section."""

KEYS = {
    "vpp.api_socket": "VPP's API socket, as its own configuration has it (`socksvr { socket-name }`)",
    "vpp.namespace": "The named network namespace (`ip netns`) that VPP runs in, and that the NIC is moved to",
    "vpp.drift": "What others change in VPP of hostlink's own is put right (`heal`), or only told (`report`, HL-306)",
    "vpp.grace_s": "How many seconds a VPP that was lost is waited for with the host's interface in place, before the "
    "NIC is given back",
    "uplink.match": "Which interface",
    "uplink.driver": "How VPP drives the NIC",
    "uplink.host_link": "What the host's interface is: `veth` for kernels without /dev/vhost-net",
    "uplink.probes": "TCP addresses that prove the path, beside the gateways, where they take a connection before the "
    "takeover",
    "uplink.match.name": "Its name, or one of its altnames",
    "uplink.match.mac": "Its MAC address",
    "uplink.match.pci": "Its PCI address",
    "uplink.match.default_route": "The interface of the default route with the lowest metric, IPv4 before IPv6",
    "paths.runtime": "Where the control socket and the lock are",
    "paths.journal": "Where the journal is, which give-back needs: a disk that outlives a reboot",
    "control.group": "A group whose members may connect to the control socket and look; changes are root's",
    "metrics.listen": "Where `GET /metrics` is answered: a loopback address with a port, or the path of a Unix socket",
    "metrics.textfile": "A file for node-exporter's textfile collector",
    "systemd.ready": "When the unit is ready: with every uplink `steady`, or as soon as the daemon has `started`",
    "cluster.service_cidrs": "The prefixes of services",
    "cluster.pod_cidrs": "The prefixes of pods",
    "cluster.encap_overhead": "How many bytes less than the uplink's the MTU of these routes is",
    "timing.deadline_factor": "Every deadline is multiplied by this: for emulated or overloaded machines",
    "timing.audit_s": "How many seconds Steady waits before it compares host and VPP again though nobody said that "
    "anything changed",
    "timing.confirm_s": "Within how many seconds what answered before a handover must answer again, or the NIC is "
    "given back",
    "timing.guard_s": "How many seconds the guard waits for a daemon that is gone, with VPP gone too",
    "timing.retry_s": "After how many seconds a failed takeover is tried again. Left out: never by itself",
}
