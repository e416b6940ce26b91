"""Every durable record of the gateway; the only package that writes to the disk."""
