# Waits for a letter that nobody writes.
INPUT n
AWAIT letter FROM nobody
RETURN "never"
