"""The self-test: whether a deployed stage keeps its promises on the real AWS and Cloudflare."""
