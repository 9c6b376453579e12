"""What happens to a job: its request, events, book and pipeline, spoken in Protocols that other rooms fulfil."""
