"""The child process that computes, and its supervisor."""
