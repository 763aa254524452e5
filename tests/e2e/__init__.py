"""Rendered projects, installed and served for real, under load and in trouble."""
