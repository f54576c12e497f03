"""Pictures: skeletons and evaluation figures (matplotlib)."""
