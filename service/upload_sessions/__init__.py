"""Upload sessions: files of any size, in parts that can be sent again."""
