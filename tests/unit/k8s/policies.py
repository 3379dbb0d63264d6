"""Who may speak to whom under NetworkPolicies, as a network that enforces them decides it."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from typing import Any

from tests.unit.k8s.rendered import Object


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod: what its own labels and those of its namespace are."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str] | None = None
    """None: in the namespace of the policies."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Something outside that is no pod: a node, a load balancer, a server of the world."""

    ip: str


Peer = Pod | Address


def may_enter(policies: list[Object], source: Peer, target: Pod, port: int) -> bool:
    """Return whether a pod of the policies' namespace can be reached by a peer."""
    return _allowed(policies, "Ingress", "from", target, source, port, "TCP")


def may_leave(policies: list[Object], source: Pod, target: Peer, port: int, protocol: str = "TCP") -> bool:
    """Return whether a pod of the policies' namespace reaches a peer."""
    return _allowed(policies, "Egress", "to", source, target, port, protocol)


def _allowed(policies: list[Object], kind: str, side: str, of: Pod, peer: Peer, port: int, protocol: str) -> bool:
    holding = [
        policy["spec"]
        for policy in policies
        if kind in policy["spec"].get("policyTypes", ["Ingress"]) and _matches(policy["spec"]["podSelector"], of.labels)
    ]
    rules = [rule for spec in holding for rule in spec.get(kind.lower(), ())]
    return not holding or any(_rule(rule, side, peer, port, protocol) for rule in rules)


def _rule(rule: Object, side: str, peer: Peer, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    if ports and not any(each["port"] == port and each.get("protocol", "TCP") == protocol for each in ports):
        return False
    return not rule.get(side) or any(_peer(each, peer) for each in rule[side])


def _peer(rule: Object, peer: Peer) -> bool:
    if isinstance(peer, Address):
        return "ipBlock" in rule and _block(rule["ipBlock"], peer.ip)
    if "ipBlock" in rule:
        return False  # there are networks in which an address range means no pod: none is counted on
    if "namespaceSelector" in rule:
        if not _matches(rule["namespaceSelector"], peer.namespace or {}):
            return False
    elif peer.namespace is not None:
        return False
    return _matches(rule.get("podSelector", {}), peer.labels)


def _block(block: Object, ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    inside = address in ipaddress.ip_network(block["cidr"])
    return inside and not any(address in ipaddress.ip_network(each) for each in block.get("except", ()))


def _matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", ()):
        match each["operator"]:
            case "Exists" if each["key"] not in labels:
                return False
            case "In" if labels.get(each["key"]) not in each["values"]:
                return False
    return True
