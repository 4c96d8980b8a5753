"""The routes of /api/v1, a file a subject. No logic here: each calls a desk."""
