"""What `pricebench init` writes into somebody's repository: plan it, show it, write it. Nothing that exists changes."""

from __future__ import annotations

from pricebench.scaffold.plan import ScaffoldError, Step, plan, write

__all__ = ["ScaffoldError", "Step", "plan", "write"]
