"""What the system does: one function per operation, plain Python in and out, with its rules and its transaction."""
