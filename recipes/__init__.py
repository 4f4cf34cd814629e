"""Recipes for artifacts that need no download."""
