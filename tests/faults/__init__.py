"""Fault scripts over the whole gateway: real SDKs, loopback servers, and what each may cost."""
