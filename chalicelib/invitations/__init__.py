"""What the people of a meeting get by e-mail, in a stage with meetings and notifications."""
