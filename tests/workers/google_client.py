"""Run in the venv of requirements/drive.txt: Google's own client against what answers for Drive. Prints JSON."""

import io
import json
import sys

from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload

credentials = Credentials(
    None, refresh_token=sys.argv[1], token_uri="https://oauth2.googleapis.com/token", client_id="x", client_secret="y"
)
service = build("drive", "v3", credentials=credentials, static_discovery=True, cache_discovery=False)
files, said = service.files(), {}
folder = files.create(
    body={"name": "it's a box", "mimeType": "application/vnd.google-apps.folder"}, fields="id"
).execute()["id"]


def media(data: bytes, **more: object) -> MediaIoBaseUpload:
    return MediaIoBaseUpload(io.BytesIO(data), "application/octet-stream", **more)


made = files.create(body={"name": "a.json", "parents": [folder]}, media_body=media(b"\x00one\r\n--x")).execute()
said["updated"] = files.update(fileId=made["id"], media_body=media(b"two")).execute()["id"] == made["id"]
large = bytes(range(256)) * 4096 * 2
request = files.create(
    body={"name": "b", "parents": [folder]}, media_body=media(large, chunksize=512 * 1024, resumable=True)
)
answer, pieces = None, 0
while answer is None:
    _, answer = request.next_chunk(num_retries=3)
    pieces += 1
said["pieces"] = pieces
target = io.BytesIO()
download = MediaIoBaseDownload(target, files.get_media(fileId=answer["id"]), chunksize=300_000)
while not download.next_chunk()[1]:
    pass
said["same"] = target.getvalue() == large
files.create(body={"name": "a.json", "parents": [folder]}).execute()
query = f"'{folder}' in parents and name = 'a.json' and trashed = false"
said["twins"] = len(files.list(q=query).execute()["files"])
said["escaped"] = len(files.list(q="name = 'it\\'s a box' and mimeType contains 'folder'").execute()["files"])
page, names = None, []
while page is None or "nextPageToken" in page:
    page = files.list(q=f"'{folder}' in parents", pageSize=1, pageToken=page and page["nextPageToken"]).execute()
    names += [each["name"] for each in page["files"]]
said["names"] = sorted(names)
files.update(fileId=made["id"], body={"trashed": True}).execute()
said["left"] = len(files.list(q=query).execute()["files"])
files.delete(fileId=made["id"]).execute()
try:
    files.get(fileId=made["id"]).execute()
except HttpError as error:
    said["gone"] = [error.status_code, error.reason]
try:
    files.list(q="name ~ 'x'").execute()
except HttpError as error:
    said["bad_query"] = error.status_code
print(json.dumps(said))
