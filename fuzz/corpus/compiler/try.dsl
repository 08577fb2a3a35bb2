STATE log = []
WHILE true:
  TRY:
    APPEND log 1 / 0
    BREAK
  CATCH e:
    APPEND log e.type
  FINALLY:
    WAIT 1
