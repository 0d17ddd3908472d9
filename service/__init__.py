"""The HTTP face and the record keeper. Never imports torch, never imports worker."""
