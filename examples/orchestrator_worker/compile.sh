# Compiles the C file it is given; prints, as JSON, how many bytes of machine code
# and data it became. A file that does not compile ends it with the compiler's words.
set -eu
export LC_ALL=C
read -r source || true
object=$(mktemp)
trap 'rm -f "$object"' EXIT
cc -Wall -O2 -c -o "$object" "$source"
size "$object" | awk 'NR == 2 { printf "{\"code\": %d}\n", $1 + $2 }'
