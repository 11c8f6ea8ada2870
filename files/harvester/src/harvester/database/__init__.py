"""Backups of a PostgreSQL database: rows of a day, full ones, the proof that both can be restored, and their merge.

The dumps are stock ones of pg_dump, so that anybody restores them without us; docs/database.md has their form. The
laptop uses `loading`, `merge` and `restore` as well. Imports psycopg, and upload, deliver and what they import.
"""
