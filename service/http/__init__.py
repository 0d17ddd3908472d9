"""What all endpoints share: problems, pages, ranges, API keys, the request's transaction."""
