"""Which mode should I ship? Every mode measured on every shape, priced by a stated need, answered in one sentence."""
