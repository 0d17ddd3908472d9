"""Names, tags and metadata, by which owners find their uploads and jobs again."""
