"""Which kernel modules the guest loads, and the files that its initial RAM disk needs of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tools.guest_vm.errors import GuestError
from tools.guest_vm.kernel import Kernel

EARLY = ("virtio_pci", "virtio_rng", "9pnet_virtio", "9p", "overlay")
"""What it takes to see the machine's files: these are in the RAM disk, all others come from the cache folder by 9p."""

NEEDED = ("vhost_net", "tun", "veth")
"""Without one of these the guest is no use."""

WANTED = (
    *("dummy", "bridge", "8021q", "macvlan", "vrf", "vxlan", "ip_gre", "ip6_gre", "ipip", "sit", "ip6_tunnel"),
    *("sctp", "esp4", "esp6", "xfrm_user", "af_key", "nf_tables", "nft_chain_nat", "nft_masq", "nft_compat"),
    *("sch_ingress", "sch_netem", "cls_bpf", "cls_u32", "cls_matchall", "act_mirred", "act_pedit", "act_csum"),
)
"""Loaded where this kernel has them, so that no scenario waits for it. What else is asked for is loaded on demand."""


def early_files(kernel: Kernel) -> list[Path]:
    """The files of the early modules, below kernel.tree, in the order in which they must be loaded."""
    files: list[Path] = []
    for name in EARLY:
        argv = ["modprobe", "-d", str(kernel.tree), "-S", kernel.release, "--show-depends", name]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GuestError(f"{' '.join(argv)}: {done.stderr.strip()}")
        files += [path for path in inserted(done.stdout) if path not in files]
    return [path.relative_to(kernel.tree) for path in files]


def inserted(shown: str) -> Iterable[Path]:
    """The files in what `modprobe --show-depends` prints; a built-in module has none."""
    return [Path(line.split()[1]) for line in shown.splitlines() if line.startswith("insmod ")]
