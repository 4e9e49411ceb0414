"""The first page: three questions, answered by numbers that are links."""
