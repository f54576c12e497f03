"""One page on many runs: what they were, what they found, beside what others published."""
