"""Discord: events from the gateway, operations over REST. `discord` alone is the SDK."""
