"""HTTP, whatever the resource: problems, pages, ranges, keys, the request's transaction."""
