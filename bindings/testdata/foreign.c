/* foreign.c - a shared library that is not libllama4. */
int some_function(void);
int some_function(void) { return 1; }
