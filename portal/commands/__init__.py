"""The commands, a module a subject. `portal.cli` tells which there are, and in which order."""
