"""A live stack as a stranger sees it: TLS alone, nothing public. Reads, and changes nothing."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from operations.doctor.finding import FAULT, OK, SKIPPED, WARNING, Check, Finding
from operations.doctor.stack import PROJECT, Clients

EVERYONE: Final = {"0.0.0.0/0", "::/0"}
LOWEST_DAYS: Final = 30
TAG: Final = [{"Name": "tag:project", "Values": [PROJECT]}]
Connect = Callable[[str, int, ssl.SSLContext], dict[str, Any]]
"""Shakes hands and gives the certificate and `protocol`; raises ssl.SSLError or OSError."""


def handshake(host: str, number: int, context: ssl.SSLContext) -> dict[str, Any]:
    """A real one."""
    with (
        socket.create_connection((host, number), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        return {**(wrapped.getpeercert() or {}), "protocol": wrapped.version()}


def modern_tls(url: str, connect: Connect = handshake, now: datetime | None = None) -> Finding:
    """TLS 1.2 or newer with a certificate that is valid for a month to come; older protocols are refused."""
    parts = urlsplit(url)
    name = f"TLS of {parts.hostname}"
    if parts.scheme != "https" or not parts.hostname:
        return Finding(name, FAULT, "the address is not https", "the stack's output is wrong: deploy again")
    found = connect(parts.hostname, parts.port or 443, ssl.create_default_context())
    ends = datetime.strptime(found["notAfter"], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    days = (ends - (now or datetime.now(UTC))).days
    if days < LOWEST_DAYS:
        return Finding(name, FAULT, f"its certificate ends in {days} days", "renew it in ACM, or see why ACM could not")
    with suppress(ssl.SSLError, OSError):
        old = connect(parts.hostname, parts.port or 443, _old_context())
        return Finding(name, FAULT, f"it speaks {old['protocol']} too", "set the minimum protocol to TLS 1.2")
    return Finding(name, OK, f"{found['protocol']}, {days} days left, TLS 1.1 is refused")


def _old_context() -> ssl.SSLContext:
    """A client that speaks TLS 1.0 and 1.1 alone."""
    context = ssl.create_default_context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def open_rules(clients: Clients) -> Finding:
    """No security group of the project lets everybody in."""
    groups = [
        group
        for page in clients("ec2").get_paginator("describe_security_groups").paginate(Filters=TAG)
        for group in page["SecurityGroups"]
    ]
    wide = [
        f"{group['GroupName']} ({_ports(rule)})" for group in groups for rule in group["IpPermissions"] if _wide(rule)
    ]
    if not groups:
        return Finding(
            "public ports", FAULT, "no security group of the project", "is this the right account and region?"
        )
    if wide:
        return Finding(
            "public ports", FAULT, f"open to everybody: {', '.join(wide)}", "docs/runbooks/network-change.md"
        )
    return Finding("public ports", OK, f"{len(groups)} security groups let nobody in from everywhere")


def _wide(rule: dict[str, Any]) -> bool:
    ranges = [one.get("CidrIp") for one in rule.get("IpRanges", [])]
    return bool(EVERYONE & {*ranges, *(one.get("CidrIpv6") for one in rule.get("Ipv6Ranges", []))})


def _ports(rule: dict[str, Any]) -> str:
    return "every port" if "FromPort" not in rule else f"{rule['FromPort']}-{rule['ToPort']}"


def public_addresses(clients: Clients) -> Finding:
    """Public addresses belong to NAT gateways alone."""
    pages = (
        clients("ec2")
        .get_paginator("describe_network_interfaces")
        .paginate(Filters=[{"Name": "vpc-id", "Values": _networks(clients)}])
    )
    exposed = [
        one["NetworkInterfaceId"]
        for page in pages
        for one in page["NetworkInterfaces"]
        if one.get("Association", {}).get("PublicIp") and one.get("InterfaceType") != "nat_gateway"
    ]
    if exposed:
        said = f"with a public address: {', '.join(exposed)}"
        return Finding("public addresses", FAULT, said, "take the address away; docs/runbooks/network-change.md")
    return Finding("public addresses", OK, "only NAT gateways have one")


def _networks(clients: Clients) -> list[str]:
    found = [network["VpcId"] for network in clients("ec2").describe_vpcs(Filters=TAG)["Vpcs"]]
    if not found:
        raise OSError("no VPC of the project in this account and region")
    return found


def balancers(clients: Clients) -> Finding:
    """No load balancer of the project faces the internet: CloudFront reaches the proxy through a VPC origin."""
    networks = _networks(clients)
    pages = clients("elbv2").get_paginator("describe_load_balancers").paginate()
    found = [one for page in pages for one in page["LoadBalancers"] if one["VpcId"] in networks]
    facing = [one["LoadBalancerName"] for one in found if one["Scheme"] != "internal"]
    if facing:
        return Finding(
            "load balancers", FAULT, f"face the internet: {', '.join(facing)}", "they must be internal: deploy"
        )
    return Finding("load balancers", OK, f"{len(found)} are internal")


def receiver_binding(stack_file: Path) -> Finding:
    """Each AE title that may send is bound to addresses, none of them everybody."""
    content = yaml.safe_load(stack_file.read_text())["config"]
    receiver = content.get(f"{PROJECT}:receiver") or {}
    peers = receiver.get("peers") or []
    if not peers:
        return Finding("AE titles", SKIPPED, "the stack has no receiver")
    loose = [
        peer.get("aeTitle", peer["name"])
        for peer in peers
        if not peer.get("addresses") or EVERYONE & set(peer["addresses"])
    ]
    if loose:
        return Finding(
            "AE titles", FAULT, f"not bound to an address: {', '.join(loose)}", f"set addresses in {stack_file.name}"
        )
    if receiver.get("unencryptedPort"):
        return Finding("AE titles", WARNING, "port 11112 is plain", "use 11113 with TLS and set unencryptedPort: false")
    return Finding("AE titles", OK, f"{len(peers)} are bound to their addresses, TLS alone")


def checks(clients: Clients, outputs: dict[str, Any], stack_file: Path) -> Iterator[Check]:
    """All of them for one stack."""
    urls = [str(outputs[name]) for name in ("api_url", "viewer_url") if outputs.get(name)]
    bound: list[tuple[Callable[..., Finding], Any]] = [
        *((modern_tls, url) for url in urls),
        (open_rules, clients),
        (public_addresses, clients),
        (balancers, clients),
        (receiver_binding, stack_file),
    ]
    for check, given in bound:
        made = partial(check, given)
        made.__name__ = check.__name__  # type: ignore[attr-defined]
        yield made
