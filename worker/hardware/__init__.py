"""Processors, GPUs and their memory."""
