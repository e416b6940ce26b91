"""Numbered schema changes; a released file never changes."""
