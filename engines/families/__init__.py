"""One file a model family. A family never imports another one."""
