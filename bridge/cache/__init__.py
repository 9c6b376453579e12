"""What was analysed before, on disk: separated stems and their notes, found again by what they were made from."""
