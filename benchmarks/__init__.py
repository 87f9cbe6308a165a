"""The benchmark suite: `pytest benchmarks`. A benchmark's name is a database key: it does not change."""
