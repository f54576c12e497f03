"""Many runs for one question: what a trial is, how trials are run side by side, searched, repeated and evaluated."""
