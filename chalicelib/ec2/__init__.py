"""EC2: instances, events, and launching desktops."""
