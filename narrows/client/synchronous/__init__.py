"""The client that blocks, written by `python -m service.openapi` from the asynchronous one."""
