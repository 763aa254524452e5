"""What the template and its projects cost, side by side with the least there is."""
