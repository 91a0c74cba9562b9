"""Groups of rows, one module each: a function from the bench to its figures."""
