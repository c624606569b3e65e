"""Other people's validators."""
