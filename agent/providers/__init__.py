"""One wire per file: bytes to events, or to one typed error. A wire decides nothing."""
