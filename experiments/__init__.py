"""Scripts that repeat a table of results, each with one command."""
