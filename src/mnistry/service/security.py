"""Who may use the service: the names it is called by, and the pages of other origins that may talk to it.

A page from anywhere may make its visitor's browser send requests to a server on the visitor's own machine. Two checks
keep it out: the name that the browser thinks it talks to must be one of ours (DNS rebinding), and a page of another
origin may neither send nor read anything unless it was allowed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from mnistry.errors import UsageError
from mnistry.service.problem_details import Problem

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
ANY_ORIGIN = "*"
SAFE = ("GET", "HEAD", "OPTIONS")
HOUR = "3600"


@dataclass(frozen=True)
class Access:
    """Who may use it.

    Attributes:
        names: the host names that it is called by.
        any_address: whether also any IP address is such a name: no page can be loaded from an address by rebinding.
        origins: whose pages may use it beside its own, each scheme://host or scheme://host:port; or `*`.
    """

    names: frozenset[str]
    any_address: bool = False
    origins: frozenset[str] = frozenset()

    def refusal(self, method: str, headers: Mapping[str, str]) -> Problem | None:
        """Why a request is refused; None if it is not."""
        host = headers.get("host", "")
        if not self._is_ours(_name(host)):
            sentence = f"This server is not called {host[:100]!r}. Start it with --allow-host to give it another name."
            return Problem(421, sentence)
        origin = headers.get("origin")
        if origin is None or method in SAFE or _name_and_port(origin) == host or self._allowed(origin):
            return None
        sentence = f"A page of {origin[:100]} may not use this server. Start it with --allow-origin to let it."
        return Problem(403, sentence)

    def cors(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What lets the page of an allowed origin read an answer; nothing for others."""
        origin = headers.get("origin")
        if origin is None or not self._allowed(origin):
            return {}
        exposed = {"access-control-allow-origin": origin, "access-control-expose-headers": "retry-after"}
        return {**exposed, "vary": "origin"}

    def preflight(self, method: str, headers: Mapping[str, str]) -> dict[str, str] | None:
        """The answer to a browser that asks before it sends a request of an allowed origin; None if it is none."""
        if method != "OPTIONS" or "access-control-request-method" not in headers or not self.cors(headers):
            return None
        allowed = {"access-control-allow-methods": "GET, POST", "access-control-allow-headers": "content-type"}
        return {**self.cors(headers), **allowed, "access-control-max-age": HOUR}

    def _is_ours(self, name: str) -> bool:
        return name in self.names or (self.any_address and _is_address(name))

    def _allowed(self, origin: str) -> bool:
        return ANY_ORIGIN in self.origins or origin in self.origins


def access_for(host: str, hosts: tuple[str, ...], origins: tuple[str, ...]) -> Access:
    """Who may use a server that listens on `host`.

    Raises:
        UsageError: an origin is none.
    """
    for origin in origins:
        scheme, found, rest = origin.partition("://")
        if origin != ANY_ORIGIN and not (scheme.isalpha() and found and rest and "/" not in rest):
            raise UsageError(f"--allow-origin must be scheme://host or scheme://host:port, or *; received {origin!r}.")
    names = frozenset(name.lower() for name in (*LOOPBACK_NAMES, host, *hosts))
    if is_loopback(host):
        return Access(names, origins=frozenset(origins))
    return Access(names | {socket.gethostname().lower()}, any_address=True, origins=frozenset(origins))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _name_and_port(origin: str) -> str:
    return origin.partition("://")[2]
