"""What a pose is: the skeleton, normalisation, tracks and batches of poses, and the caches that hold them."""
