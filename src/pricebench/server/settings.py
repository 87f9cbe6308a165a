"""What a server is started with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from pricebench.server.limits import Limits
from pricebench.units import Second

HOST = "127.0.0.1"
PORT = 8600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices of whoever starts it.

    Attributes:
        artifacts: Folder that `pricebench train` wrote.
        mode: Execution mode; empty for eager, or for that of the exported file.
        exported: A file that `pricebench export` wrote, which is run instead of preparing a mode; or None.
        device: Where the model runs.
        host: Address to listen on.
        port: 0 for any that is free.
        workers: Processes that answer.
        threads: Of each for one batch.
        token: That each request must bring, or empty.
        allowed_hosts: Names that requests may say besides this machine's own, where no token is needed.
        insecure: Whether others than this machine may ask without a token.
        hang_timeout: After which a worker whose loop does not turn is killed, and replaced.
        grace: For what was begun when the server is told to end.
        watch: Whether a changed folder is loaded without being told.
        log: A file for a line per request, `-` for stdout, or None.
        limits: What is refused.
    """

    artifacts: Path = Path("artifacts")
    mode: str = ""
    exported: Path | None = None
    device: str = "cpu"
    host: str = HOST
    port: int = PORT
    workers: int = 1
    threads: int = 1
    token: str = field(default="", repr=False)
    allowed_hosts: tuple[str, ...] = ()
    insecure: bool = False
    hang_timeout: Second = 10.0
    grace: Second = 10.0
    watch: bool = False
    log: str | None = None
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> str:
        """As text for another process."""
        paths = {"artifacts": str(self.artifacts), "exported": str(self.exported) if self.exported else None}
        return json.dumps(dataclasses.asdict(self) | paths)

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """What `to_json` wrote."""
        fields = json.loads(text)
        limits, artifacts = Limits(**fields.pop("limits")), Path(fields.pop("artifacts"))
        exported = fields.pop("exported")
        return cls(
            artifacts=artifacts,
            exported=Path(exported) if exported else None,
            limits=limits,
            allowed_hosts=tuple(fields.pop("allowed_hosts")),
            **fields,
        )
