"""Photographs, videos and frame folders as pixels, in order."""
