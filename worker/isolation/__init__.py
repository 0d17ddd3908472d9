"""The child process that computes, and who watches it."""
