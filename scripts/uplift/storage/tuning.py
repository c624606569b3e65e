"""Numbers that tune storage, each with its reason. None changes a byte of what is stored."""

# -- repeating requests (see retries)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Random waits up to twice as long each time: eight of them come to about a minute, the time in
which a gateway restarts or a partition of a bucket is split."""
LOST_UPLOADS = 3
"""Attempts at an object whose upload fails as a whole: an answer is seldom lost twice."""
LONGEST_PAUSE_S = 300.0
"""A server that asks for more is asked again after this: some send absurd numbers."""
LOOK_AGAIN_S = 30.0
"""After a look at a busy server that asked for nothing: most never do."""
QUIET_FAILURES = 2
"""Failures of one request that are not worth a line in the log."""
CONNECT_S = 10.0
"""Hosts that can be reached accept a connection sooner; a request that sends data may take
`timeout`."""

# -- reading

WINDOW_BYTES = 48 * 2**20
"""Bytes that one reader may have under way, as far as the sizes seen so far tell: more than a
link of 10 Gbit/s delivers in 30 ms. Counts towards the memory of a job."""
FIRST_WINDOW = 4
"""Requests under way until the size of an object is known."""
DOCUMENT_BYTES = 2**14
"""Of a metadata document, about: so many small ones are asked for at once as there may be."""
FILES_AT_ONCE = 8
"""Files of remote stores that are copied or compared side by side, each with a piece in memory."""
PIECE_BYTES = 8 * 2**20
"""Files that are copied or hashed are held in memory so far: large enough that a request's 40 ms
count little."""
ARCHIVE_TAIL_BYTES = 2**16 + 2**12
"""The longest comment of a zip archive and its end records: its directory is found in one read."""
ARCHIVE_SPARE_BYTES = 256
"""Read beyond an entry's expected end: its local header may be longer than the directory says."""
ARCHIVE_BUFFER_BYTES = 2**18
"""Reads of the archive's directory."""
PAGE = 10_000
"""Objects of a listing that obstore hands over at once: ten of S3's pages, 2 MB."""

# -- writing

PART_BYTES = 8 * 2**20
"""Parts of a streamed upload, larger where an object needs more than `PARTS`. Five are in memory,
one that is filled and `UPLOADS` on their way; what is left for the end is at most one."""
PARTS = 9000
"""S3 takes 10,000; a tenth is spare for what is not exactly known: the size of an archive."""
UPLOADS = 4
"""Parts of one object on their way at once: four fill a link where one waits for its answer."""
DELETE_TOGETHER = 1000
"""Objects that one request may delete (S3's DeleteObjects)."""
WRITE_BYTES = 4 * 2**20
"""Pieces of a local file are handed to the system together from here on."""
WRITE_PIECES = 512
"""... or from this many on; the system takes 1,024 (IOV_MAX)."""
SYNC_ALONE_BYTES = 16 * 2**20
"""Local files from here on are synced as they are written, smaller ones together, with their file
system (syncfs): one fsync a small file would cost more than writing it."""
BEGIN_BYTES = 4 * 2**20
"""Of a local file that the system is asked to begin with writing to disk while more of it is made:
a disk that waits until all of it is there is idle as long, and the sync takes that much longer."""

NETWORK_FILES = 16
"""Small files of a network file system that are read or written at once: each is a round trip."""
