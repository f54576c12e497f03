"""What happens around the steps: metrics, checkpoints to resume from, tables, figures."""
