"""Every flow that a takeover must carry, with real packets, on every dataplane (F20, F22, F23, F31)."""

from __future__ import annotations

from hostlink.lab.flows import FlowError
from hostlink.lab.pod import attach_pod
from hostlink.lab.proofs import every_proof, servers
from hostlink.lab.stage import Dataplane, open_stage

CLUSTER = """
[cluster]
service_cidrs = ["10.96.0.0/12"]
pod_cidrs = ["10.244.0.0/16", "fd00:244::/48"]
"""


async def test_every_flow_passes_through_vpp(dataplane: Dataplane) -> None:
    failed: dict[str, str] = {}
    async with open_stage(dataplane, settings=CLUSTER) as stage:
        stage.start_daemon()
        await stage.wait_state("Steady")
        await attach_pod(stage.api_socket)
        async with servers(stage.lab):
            for proof in every_proof():
                try:
                    await proof.run(stage.lab)
                except FlowError as error:
                    failed[proof.name] = str(error)
        errors = await stage.vppctl("show errors")
    assert not failed, errors


async def test_the_same_flows_fail_without_hostlink(standin: Dataplane) -> None:
    """The proofs can fail: with the NIC down nothing passes, and each proof that needs it says so."""
    async with open_stage(standin) as stage:
        await stage.on_host("ip", "link", "set", "enp216s0f1", "down")
        passed = []
        async with servers(stage.lab):
            for proof in every_proof()[:2]:
                try:
                    await proof.run(stage.lab)
                except FlowError:
                    continue
                passed.append(proof.name)
    assert passed == []
