"""The embedded ad server, on real sockets."""
