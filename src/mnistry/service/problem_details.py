"""Errors of the service as problem details (RFC 9457), with the sentences that the command line prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499  # seen in the log only: the client closed the connection before it had its answer
RETRY_AFTER = {"retry-after": "1"}  # seconds: a full queue is worked through in less
OUR_MISTAKE = "The server made a mistake. Its log has the details."


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A request that is answered with an error: status, one sentence, and headers beside its type.

    The sentence says what happened, what was expected, what was received, what to do.
    """

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body of the answer. Its `type` is about:blank, for errors that the status describes (RFC 9457)."""
        title = "Client Closed Request" if self.status == CLIENT_GONE else HTTPStatus(self.status).phrase
        shown = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return json.dumps(shown, ensure_ascii=False).encode(errors="replace")

    def all_headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {**self.headers, "content-type": MEDIA_TYPE}
