"""Access control: the host names that the server answers to, and the origins whose pages may use it.

A page from anywhere may make its visitor's browser send requests to a server on the visitor's own machine. Two checks
keep it out. The host name that the browser uses must be one of ours, against DNS rebinding. And a page of another
origin may neither send nor read anything unless it was allowed.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from mnistry.errors import UsageError
from mnistry.service.problem_details import Problem

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
ANY = "*"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s,]*)(?::(?P<port>[0-9]{0,5}))?")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Access:
    """Access rules of a server.

    Attributes:
        names: host names that it answers to, or `*`.
        any_address: answer to any IP address too. That is safe: DNS rebinding needs a name.
        origins: origins whose pages may use it beside its own, each scheme://host or scheme://host:port; or `*`.
        proxies: networks of the proxies whose X-Forwarded headers are believed.
    """

    names: frozenset[str]
    any_address: bool = False
    origins: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()

    def refusal(self, method: str, headers: Mapping[str, str]) -> Problem | None:
        """The reason to refuse a request, or None."""
        host = headers.get("host", "")
        matched = HOST.fullmatch(host)
        if matched is None or int(matched["port"] or 0) > 65535:
            return Problem(400, f"The Host header must be NAME or NAME:PORT; received {host[:100]!r}.")
        name = matched["name"].strip("[]").lower().rstrip(".")
        if not (self.names & {ANY, name} or (self.any_address and is_address(name))):
            sentence = (
                f"This server does not answer to the name {host[:100]!r}. Start it with --allow-host to allow it."
            )
            return Problem(421, sentence)
        origin = headers.get("origin")
        if origin is None or method in SAFE_METHODS:
            return None
        if origin.partition("://")[2] == host or self.origins & {ANY, origin}:
            return None
        sentence = f"A page of {origin[:100]} may not use this server. Start it with --allow-origin to allow it."
        return Problem(403, sentence)

    def trusts(self, address: str) -> bool:
        """Return whether an address belongs to a trusted proxy."""
        return bool(self.proxies) and is_address(address) and self._is_proxy(address)

    def read_forwarded(self, peer: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """The client's address and the headers of a request, as a trusted proxy reports them.

        Args:
            peer: address of the other end of the connection.
            headers: headers of the request.

        Returns:
            Unchanged if the peer is not a trusted proxy. Otherwise the last address in X-Forwarded-For that is not a
            proxy's, and the headers with X-Forwarded-Host in the place of Host.
        """
        if not self.trusts(peer):
            return peer, dict(headers)
        hops = [each.strip() for each in headers.get("x-forwarded-for", "").split(",")]
        hops = [each for each in hops if is_address(each)]
        client = next((each for each in reversed(hops) if not self._is_proxy(each)), hops[0] if hops else peer)
        host = headers.get("x-forwarded-host", "").split(",")[0].strip()
        return client, {**headers, "host": host} if host else dict(headers)

    def _is_proxy(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self.proxies)


def choose_access(
    host: str, hosts: tuple[str, ...] = (), origins: tuple[str, ...] = (), proxies: tuple[str, ...] = ()
) -> Access:
    """Access rules of a server that listens on `host`.

    Raises:
        UsageError: a host name, an origin or a proxy is not valid.
    """
    for name in hosts:
        if name != ANY and (not name or HOST.fullmatch(name) is None or (":" in name and not is_address(name))):
            raise UsageError(f"--allow-host must be a name without a port, or *; received {name!r}.")
    for origin in origins:
        scheme, found, rest = origin.partition("://")
        if origin != ANY and not (scheme.isalpha() and found and rest and "/" not in rest):
            raise UsageError(f"--allow-origin must be scheme://host or scheme://host:port, or *; received {origin!r}.")
    networks = tuple(_network(proxy) for proxy in proxies)
    names = frozenset(name.lower() for name in (*LOOPBACK_NAMES, host, *hosts))
    if is_loopback(host):
        return Access(names, origins=frozenset(origins), proxies=networks)
    return Access(names | {socket.gethostname().lower()}, True, frozenset(origins), networks)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    return host.lower() == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _network(proxy: str) -> Network:
    try:
        return ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        sentence = f"--trust-proxy must be an IP address or a network such as 10.0.0.0/8; received {proxy!r}."
        raise UsageError(sentence) from None
