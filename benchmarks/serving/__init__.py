"""The proof under load: our server beside what a user would pick instead. Run by name, never by pytest."""
