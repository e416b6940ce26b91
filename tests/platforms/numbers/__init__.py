"""The platforms' numbers: each with what takes so many and refuses one more, as data."""
