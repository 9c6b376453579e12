"""Where the project timeline is now, according to whom."""
