"""The feature `notifications`: e-mails on instances that failed and on deployments."""
