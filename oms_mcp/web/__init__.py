"""How is the server reached over HTTP, by whom, and within which limits?"""
