# Compiles the C file it is given; prints the size of the object file as JSON.
set -eu
read -r source || true
object=$(mktemp)
trap 'rm -f "$object"' EXIT
cc -Wall -O2 -c -o "$object" "$source"
echo "{\"code\": $(wc -c < "$object")}"
