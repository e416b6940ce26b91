"""The terminal: `gatepost chat` over the gateway's control socket."""
