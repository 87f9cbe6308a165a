"""What makes the committed evidence and the documents that quote it: a script a file, `python -m evidence.NAME`."""
