"""The trained model over HTTP: a supervisor that owns the port, and workers that answer. Prices come from `serving`."""
