# The soak's agent as a program. Standard input says what becomes of it: `FATE VALUE`;
# the request, with its attempt, is in ORCHLUA_REQUEST.
read -r fate value rest || :
case $ORCHLUA_REQUEST in *'"attempt":1}'*|*'"attempt":1,'*) first=1 ;; *) first= ;; esac
answer() { echo "{\"value\": $value}"; }
broken() { echo "{\"value\": $value"; }
case $fate in
  ok) answer ;;
  slow) sleep 0.3; answer ;;
  flaky) [ -z "$first" ] || exit 3; answer ;;
  fail) echo "no paper left" >&2; exit 1 ;;
  hang) sleep 20 & wait ;;
  kill) kill -9 $$ ;;
  broken) broken ;;
  mends) [ -n "$first" ] && broken || answer ;;
esac
