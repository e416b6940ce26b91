"""`gatepost config schema`."""

import json


def schema() -> int:
    """Print the JSON Schema of the configuration file."""
    from gateway.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
