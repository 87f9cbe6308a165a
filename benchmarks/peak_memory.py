"""Run a command and print its peak resident bytes: `python -m benchmarks.peak_memory COMMAND ...`.

A process of its own, and a small one: the kernel counts a child's peak from the fork on, so a child of the large
benchmark process would report that process's size.
"""

import resource
import subprocess
import sys

if __name__ == "__main__":
    subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
    unit = 1 if sys.platform == "darwin" else 1024
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit}\n")
