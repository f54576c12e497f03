"""Whom of the people in the pictures a clip is about, from frame to frame."""
