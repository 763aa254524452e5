"""Commands to work on the template; `make` runs them."""
