"""What `tools/fuzz` runs for long and the check for a moment: targets that bytes are thrown at, and who throws them."""
