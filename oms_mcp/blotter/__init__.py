"""A live blotter in a terminal: orders as they are, and as they change, whoever changes them."""
