"""Long work that survives being killed: exports with a checkpoint."""
