"""A stand-in of Google Drive's API v3, for its unmodified clients: rclone, and Google's own Python client.

What it assumes of Drive is from developers.google.com/workspace/drive/api: guides/search-files (queries),
guides/manage-uploads (multipart, resumable, 308), guides/handle-errors (reasons of 401, 403, 404, 429),
reference/rest/v3/files (fields, trash, two files of one name). It answers with every field, whatever `fields` asks for,
and knows no permissions and no revisions."""
