"""Code that runs in Lambda, one package for each domain concept."""
