"""How do answers look to a person at a terminal? Tables that fit 80 columns, plain text when they are piped on."""
