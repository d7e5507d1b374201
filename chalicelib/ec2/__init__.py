"""EC2: instances, and what starts desktops."""
