"""The feature `meetings`: scheduling, launch, join, termination."""
