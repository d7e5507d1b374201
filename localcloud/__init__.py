"""AWS and Cloudflare on a laptop, for the demo, `chalice local` and the tests."""
