"""Scripts that make what is committed as evidence: reports, tables and pictures, and the models that they measure."""
