"""The feature `meetings`: from scheduling a meeting to the end of its desktops."""
