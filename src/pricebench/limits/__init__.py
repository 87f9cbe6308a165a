"""What this machine can do: matrix products by the best library that is there, memory, calls; and shares of that."""
