# Waits for people: so many signals, however long they take.
INPUT n
INPUT signals
STATE log = []
WHILE LENGTH(log) < signals:
  AWAIT s FROM person TIMEOUT 5:
    APPEND log "signal {{s.number}}"
  TIMEOUT:
    TRACK {waiting: n}
RETURN log
