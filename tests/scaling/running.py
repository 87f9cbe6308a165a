"""What a process has started, and where it can be reached."""

from __future__ import annotations

from pathlib import Path

# 127.0.0.1, the same as an address of IPv6, and ::1, in the kernel's order of bytes.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def descendants(root):
    """Processes that this one started, and what they started."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[folder.name] = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:  # it has ended
                continue
    found = {str(root)}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {str(root)}


def listening(pids):
    """Addresses that processes listen at, as the kernel writes them."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:  # closed meanwhile
                continue
    lines = [
        line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]
    ]
    return {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}
