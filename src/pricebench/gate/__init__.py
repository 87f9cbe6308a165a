"""May this change be merged? Base against head in paired fresh processes, judged with known error rates."""
