"""The feature `notifications`: e-mails about failed instances and about deployments."""
