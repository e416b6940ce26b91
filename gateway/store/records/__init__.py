"""Units of work over the records: plain functions over `Tx`, the same SQL for every engine."""
