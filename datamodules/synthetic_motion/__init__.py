"""Made-up bodies that move, make mistakes, are filmed and estimated."""
