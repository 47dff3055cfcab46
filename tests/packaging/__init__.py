"""What is packaged: documents, wheels, and the Debian package."""
