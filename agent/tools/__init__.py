"""What the model may do; one file per tool."""
