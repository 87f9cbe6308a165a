"""Arms measured side by side: fresh forked processes in blocks, short slices in turn, and the statistics of both."""
