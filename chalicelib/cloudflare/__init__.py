"""Cloudflare: the API, its rate limit, zones and batches."""
