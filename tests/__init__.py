"""The tests, and what they share with scripts and benchmarks."""
