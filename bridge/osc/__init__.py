"""OSC over UDP and TCP: the address table, the server, its clients and their subscriptions."""
