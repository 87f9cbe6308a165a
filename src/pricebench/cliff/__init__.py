"""The recompilation cliff: what a new batch shape costs, measured in fresh processes, arm by arm."""
