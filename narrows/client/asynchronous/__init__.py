"""The asynchronous client; `narrows.client.synchronous` is written from it."""
