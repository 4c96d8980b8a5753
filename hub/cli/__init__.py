"""What `hub` does on the command line; each command in a file of its own."""
