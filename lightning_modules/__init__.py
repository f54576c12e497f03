"""Encoders, sources and heads (pure modules), and the thin LightningModules and callbacks around them."""
