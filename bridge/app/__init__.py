"""What puts the rooms together: settings, daemon, command line, doctor, demo."""
