"""Encoders (pure modules) and the thin Lightning module, callbacks and run folder around them."""
