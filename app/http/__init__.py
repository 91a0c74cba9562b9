"""The HTTP API: the dialects that existing programs speak (A1111's, OpenAI's) and Easel's own jobs, over one queue."""
