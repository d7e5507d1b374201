"""What runs on the operator's machine: `python -m ops`."""
