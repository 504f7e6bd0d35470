"""Uploads a file with tuspy in stretches, by two uploaders, the second where the first stopped.
Prints the address."""
import sys

try:
    from tusclient import client
except ImportError as missing:
    print(f"not installed: {missing}")
    sys.exit(77)

endpoint, authorization, path = sys.argv[1:]
tus = client.TusClient(endpoint, headers={"authorization": authorization})
metadata = {"filename": "film.mp4", "filetype": "video/mp4", "alt": "A pattern, moving"}
first = tus.uploader(path, chunk_size=300_000, metadata=metadata)
first.upload(stop_at=600_000)
assert first.offset == 600_000, first.offset
second = tus.uploader(path, chunk_size=1_000_000, url=first.url)
assert second.offset == 600_000, second.offset
second.upload()
print(second.url)
