"""What the gateway says to people, in every language it speaks."""
