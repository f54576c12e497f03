"""What `python run.py score` says and shows: two poses or two performances, how close, where they differ."""
