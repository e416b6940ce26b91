"""Time as a source: what a schedule says, and when it fires."""
