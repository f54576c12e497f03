"""Heads: from the features of a query and an exemplar to a score; pure modules."""
