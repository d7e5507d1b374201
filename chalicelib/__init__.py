"""The code that runs in Lambda."""
